use super::{Configuration, QueryForm, TsQuery, TsVector};

fn vector(text: &str) -> String {
    Configuration::default().vector(text).unwrap().to_string()
}

#[test]
fn texts_become_postgresqls_vectors() {
    let lines = include_str!("tests/vectors.txt").lines().map(|line| line.split_once('\t').unwrap());
    let wrong = lines.filter(|(text, expected)| vector(text) != *expected);
    let wrong: Vec<String> = wrong.map(|(text, expected)| format!("{text}: {} for {expected}", vector(text))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn queries_become_postgresqls_queries() {
    for line in include_str!("tests/queries.txt").lines() {
        let [form, text, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let form = match form {
            "standard" => QueryForm::Standard,
            "plain" => QueryForm::Plain,
            "phrase" => QueryForm::Phrase,
            _ => QueryForm::Web,
        };
        let found = match form.read(Configuration::default(), text) {
            Ok(query) => {
                assert_eq!(TsQuery::parse(&query.to_string()).unwrap(), query, "{text}");
                query.to_string()
            }
            Err(error) => error.message,
        };
        assert_eq!(found, expected, "{form:?} {text}");
    }
}

#[test]
fn vectors_match_what_postgresql_says() {
    for line in include_str!("tests/matches.txt").lines() {
        let [text, query, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let vector = TsVector::parse(&vector(text)).unwrap();
        let found = vector.matches(&QueryForm::Standard.read(Configuration::default(), query).unwrap());
        assert_eq!(found, expected == "t", "{text} @@ {query}");
    }
}

#[test]
fn an_index_is_asked_for_no_less_than_what_matches() {
    let asked = |text: &str| TsQuery::parse(text).unwrap().index_query();
    for (query, expected) in [
        ("cat", Some("\"cat\"")),
        ("'E-mail':*A", Some("\"E·mail\" *")),
        ("cat & dog & !mouse", Some("(\"cat\" AND \"dog\")")),
        ("cat <-> (dog | rat) <2> x", Some("(\"cat\" AND (\"dog\" OR \"rat\") AND \"x\")")),
        ("'\" OR *'", Some("\"··OR··\"")),
        ("cat | !dog", None),
        ("!(cat & dog)", None),
        ("", Some("\"·\" NOT \"·\"")),
    ] {
        assert_eq!(asked(query).as_deref(), expected, "{query}");
    }
    let deep =
        (0..100).fold("x".to_owned(), |inner, n| format!("({inner}) {} w{n}", if n % 2 == 0 { '&' } else { '|' }));
    let asked = asked(&deep).unwrap();
    assert!(asked.contains("w99") && !asked.contains("w10"), "what is nested too deeply is not asked for: {asked}");
}

#[test]
fn each_language_has_postgresqls_lexemes() {
    let mut wrong = Vec::new();
    for line in include_str!("tests/languages.txt").lines() {
        let [language, text, expected] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let found = Configuration::named(language).unwrap().vector(text).unwrap().to_string();
        if found != expected {
            wrong.push(format!("{language}: {text}\n  {found}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
