//! The names of conditions that `raise` and `exception when` take, with their codes.

/// Sorted by name; PostgreSQL manual, appendix A, less what nothing here can raise.
const CONDITIONS: &[(&str, &str)] = &[
    ("array_subscript_error", "2202E"),
    ("assert_failure", "P0004"),
    ("bad_copy_file_format", "22P04"),
    ("cardinality_violation", "21000"),
    ("case_not_found", "20000"),
    ("character_not_in_repertoire", "22021"),
    ("check_violation", "23514"),
    ("data_exception", "22000"),
    ("datatype_mismatch", "42804"),
    ("datetime_field_overflow", "22008"),
    ("deadlock_detected", "40P01"),
    ("division_by_zero", "22012"),
    ("duplicate_object", "42710"),
    ("exclusion_violation", "23P01"),
    ("feature_not_supported", "0A000"),
    ("foreign_key_violation", "23503"),
    ("generated_always", "428C9"),
    ("insufficient_privilege", "42501"),
    ("insufficient_resources", "53000"),
    ("integrity_constraint_violation", "23000"),
    ("internal_error", "XX000"),
    ("interval_field_overflow", "22015"),
    ("invalid_authorization_specification", "28000"),
    ("invalid_column_reference", "42P10"),
    ("invalid_datetime_format", "22007"),
    ("invalid_escape_sequence", "22025"),
    ("invalid_parameter_value", "22023"),
    ("invalid_password", "28P01"),
    ("invalid_regular_expression", "2201B"),
    ("invalid_text_representation", "22P02"),
    ("lock_not_available", "55P03"),
    ("no_data", "02000"),
    ("no_data_found", "P0002"),
    ("not_null_violation", "23502"),
    ("null_value_not_allowed", "22004"),
    ("numeric_value_out_of_range", "22003"),
    ("object_in_use", "55006"),
    ("object_not_in_prerequisite_state", "55000"),
    ("operator_intervention", "57000"),
    ("plpgsql_error", "P0000"),
    ("program_limit_exceeded", "54000"),
    ("query_canceled", "57014"),
    ("raise_exception", "P0001"),
    ("restrict_violation", "23001"),
    ("serialization_failure", "40001"),
    ("statement_too_complex", "54001"),
    ("string_data_right_truncation", "22001"),
    ("syntax_error", "42601"),
    ("too_many_rows", "P0003"),
    ("triggered_action_exception", "09000"),
    ("triggered_data_change_violation", "27000"),
    ("undefined_column", "42703"),
    ("undefined_function", "42883"),
    ("undefined_object", "42704"),
    ("undefined_table", "42P01"),
    ("unique_violation", "23505"),
    ("with_check_option_violation", "44000"),
];

/// The code of a condition by its name, or the code itself.
pub fn code_of(condition: &str) -> Option<&str> {
    match CONDITIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(condition)) {
        Some((_, code)) => Some(code),
        None if is_code(condition) => Some(condition),
        None => None,
    }
}

/// Five digits and capital letters.
fn is_code(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}
