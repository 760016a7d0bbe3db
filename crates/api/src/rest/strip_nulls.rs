//! JSON without the keys whose value is null, at any depth, as PostgreSQL's `json_strip_nulls` writes it.
//! The nulls of arrays stay.

/// What the writer is inside of.
struct Place {
    is_object: bool,
    /// Whether something stands in it already.
    begun: bool,
    /// Where the pair that is being written began.
    pair: usize,
}

/// `json` must be well-formed.
pub(super) fn strip_nulls(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut places: Vec<Place> = Vec::new();
    let mut at = 0;
    // Whether the next string is a key.
    let mut key = false;
    while let Some(&byte) = json.get(at) {
        let end = token_end(json, at);
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b',' => key = places.last().is_some_and(|place| place.is_object),
            b':' => {
                out.push(b':');
                key = false;
            }
            b'{' | b'[' => {
                begin_item(&mut places, &mut out, false);
                out.push(byte);
                key = byte == b'{';
                places.push(Place { is_object: key, begun: false, pair: 0 });
            }
            b'}' | b']' => {
                out.push(byte);
                places.pop();
                key = false;
            }
            b'n' if places.last().is_some_and(|place| place.is_object) => drop_pair(&mut places, &mut out),
            _ => {
                begin_item(&mut places, &mut out, key);
                out.extend_from_slice(&json[at..end]);
            }
        }
        at = end;
    }
    out
}

/// Writes the comma before an item of an array or a pair of an object.
fn begin_item(places: &mut [Place], out: &mut Vec<u8>, is_key: bool) {
    let Some(place) = places.last_mut() else { return };
    if place.is_object && !is_key {
        // The value of a pair stays: the next pair follows it.
        place.begun = true;
        return;
    }
    place.pair = out.len();
    if place.begun {
        out.push(b',');
    }
    place.begun |= !place.is_object;
}

/// Takes back the key that was written.
fn drop_pair(places: &mut [Place], out: &mut Vec<u8>) {
    if let Some(place) = places.last() {
        out.truncate(place.pair);
    }
}

/// Where the token that begins at `from` ends.
fn token_end(json: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    match json[from] {
        b'"' => {
            while at < json.len() && json[at] != b'"' {
                at += if json[at] == b'\\' { 2 } else { 1 };
            }
            (at + 1).min(json.len())
        }
        b'{' | b'}' | b'[' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => at,
        _ => {
            while at < json.len() && !b",:{}[] \t\r\n\"".contains(&json[at]) {
                at += 1;
            }
            at
        }
    }
}

#[cfg(test)]
mod tests {
    use super::strip_nulls;

    #[test]
    fn keys_with_null_go_and_items_stay() {
        for (json, stripped) in [
            ("[]", "[]"),
            (r#"[{"a":null}]"#, "[{}]"),
            (r#"[{"a":1,"b":null,"c":2},{"b":null,"c":3}]"#, r#"[{"a":1,"c":2},{"c":3}]"#),
            (r#"[{"a":[null,{"b":null}],"c": {"d": null, "e": "nu\"ll"}}]"#, r#"[{"a":[null,{}],"c":{"e":"nu\"ll"}}]"#),
            (r#"{"a":{"b":null},"n":"null","t":true,"z":-1.5e3}"#, r#"{"a":{},"n":"null","t":true,"z":-1.5e3}"#),
            ("null", "null"),
        ] {
            assert_eq!(String::from_utf8(strip_nulls(json.as_bytes())).unwrap(), stripped, "{json}");
        }
    }
}
