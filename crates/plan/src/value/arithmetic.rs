//! Arithmetic on canonical values with PostgreSQL's result scales, ranges and errors.
//! Numerics and intervals are taken and given as their canonical texts, dates and times as their integers.

mod numbers;
mod power;
mod times;
mod units;

pub use numbers::{
    Arithmetic, compare_floats, compare_numerics, float_arithmetic, int_abs, int_arithmetic, int_negate, numeric_abs,
    numeric_arithmetic, numeric_average, numeric_ceil, numeric_floor, numeric_negate, numeric_round, numeric_sign,
    numeric_sqrt, numeric_trunc,
};
pub use power::{numeric_exp, numeric_ln, numeric_log, numeric_power};
pub use times::{
    age, compare_intervals, date_add_days, date_add_interval, date_at, interval_add, interval_divide,
    interval_hash_key, interval_justify_days, interval_justify_hours, interval_justify_interval, interval_multiply,
    interval_negate, interval_subtract, make_date, make_interval, make_time, make_timestamp, shift_zone,
    time_add_interval, timestamp_add_interval, timestamp_difference, timestamp_from_epoch,
};
pub use units::{date_part, date_trunc, extract, interval_trunc};
