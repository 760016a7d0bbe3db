//! Words, numbers, addresses and paths in a text, cut as PostgreSQL's default text search parser cuts them.

/// No address is longer.
const LONGEST_ADDRESS: usize = 2048;
const LONGEST_COMMENT: usize = 1 << 16;

/// A part of a text that can be searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) dictionary: Dictionary,
}

/// What makes a lexeme of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dictionary {
    /// A word of the language.
    Words,
    /// A number, address or path: it stays as it is.
    Verbatim,
}

/// The tokens of `text` in their order. A compound is followed by its parts, an address with a path by its host and
/// path.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut scanner = Scanner { text, at: 0, after_blank: false, found: Vec::new() };
    while scanner.at < text.len() {
        scanner.step();
    }
    scanner.found
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Whether what stands before is nothing that can be searched for.
    after_blank: bool,
    found: Vec<Token<'a>>,
}

impl<'a> Scanner<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let skipped = match first {
            '<' => tag(rest),
            '&' => entity(rest),
            _ => None,
        };
        let after_blank = std::mem::replace(&mut self.after_blank, false);
        if let Some(length) = skipped {
            self.at += length;
        } else if let Some(length) = home(rest).filter(|_| !after_blank) {
            self.take(length, Dictionary::Verbatim);
        } else if let Some(length) = path(rest) {
            self.take(length, Dictionary::Verbatim);
        } else if is_letter(first) || first.is_ascii_digit() {
            self.word_or_address(rest);
        } else if matches!(first, '-' | '+') && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let length = 1 + number(&rest[1..]);
            self.take(length, Dictionary::Verbatim);
        } else {
            self.at += first.len_utf8();
            self.after_blank = true;
        }
    }

    fn push(&mut self, text: &'a str, dictionary: Dictionary) {
        self.found.push(Token { text, dictionary });
    }

    fn take(&mut self, length: usize, dictionary: Dictionary) {
        let text = &self.text[self.at..self.at + length];
        self.push(text, dictionary);
        self.at += length;
    }

    fn word_or_address(&mut self, rest: &'a str) {
        let number = number(rest);
        if rest[..number].contains(['e', 'E']) {
            self.take(number, Dictionary::Verbatim);
        } else if let Some(length) = protocol(rest) {
            self.at += length;
        } else if let Some(length) = email(rest) {
            self.take(length, Dictionary::Verbatim);
        } else if let Some(length) = host(rest) {
            self.address(rest, length);
        } else if let Some(length) = file(rest) {
            self.take(length, Dictionary::Verbatim);
        } else {
            self.word(rest);
        }
    }

    /// A host, perhaps with a path.
    fn address(&mut self, rest: &'a str, host: usize) {
        let end = rest[host..].find(|c: char| !is_url_character(c)).map_or(rest.len(), |end| host + end);
        let path = &rest[host..end];
        if path.len() < 2 || !path.starts_with('/') {
            return self.take(host, Dictionary::Verbatim);
        }
        self.push(&rest[..end], Dictionary::Verbatim);
        self.push(&rest[..host], Dictionary::Verbatim);
        self.push(path, Dictionary::Verbatim);
        self.at += end;
    }

    fn word(&mut self, rest: &'a str) {
        if let Some(parts) = compound(rest) {
            let length = parts.iter().map(|part| part.len()).sum::<usize>() + parts.len() - 1;
            let whole = &rest[..length];
            self.push(whole, dictionary_of(whole));
            for part in parts {
                self.push(part, dictionary_of(part));
            }
            // A dash behind a compound is no sign of a number.
            self.at += length + usize::from(rest[length..].starts_with('-'));
            return;
        }
        let word = word_length(rest);
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            let number = number(rest);
            if number >= word {
                return self.take(number, Dictionary::Verbatim);
            }
        }
        let dictionary = dictionary_of(&rest[..word]);
        self.take(word, dictionary);
    }
}

/// Marks that belong to the letter before them count as letters.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}')
}

fn dictionary_of(word: &str) -> Dictionary {
    if word.contains(|c: char| c.is_ascii_digit()) { Dictionary::Verbatim } else { Dictionary::Words }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !is_letter(c) && !c.is_ascii_digit()).unwrap_or(text.len())
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// The length of a number without sign, or of a version (`1.2.3`).
fn number(text: &str) -> usize {
    let mut length = digits(text);
    let mut dots = 0;
    while text[length..].starts_with('.') && digits(&text[length + 1..]) > 0 {
        length += 1 + digits(&text[length + 1..]);
        dots += 1;
    }
    if dots < 2 && text[length..].starts_with(['e', 'E']) {
        let exponent = &text[length + 1..];
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let count = digits(&exponent[sign..]);
        if count > 0 {
            length += 1 + sign + count;
        }
    }
    length
}

/// `up-to-date` as its parts. A part of digits alone ends it, and a number does not begin one.
fn compound(text: &str) -> Option<Vec<&str>> {
    let first = word_length(text);
    if digits(text) == first {
        return None;
    }
    let mut parts = vec![&text[..first]];
    let mut at = first;
    while let Some(rest) = text[at..].strip_prefix('-') {
        let length = word_length(rest);
        if length == 0 || digits(rest) == length {
            break;
        }
        parts.push(&rest[..length]);
        at += 1 + length;
    }
    (parts.len() > 1).then_some(parts)
}

/// `https://`
fn protocol(text: &str) -> Option<usize> {
    let name = text.find(|c: char| !c.is_ascii_alphabetic())?;
    (name > 0 && text[name..].starts_with("://")).then_some(name + 3)
}

/// Letters, digits, and single dashes or underscores between them.
fn label(text: &str) -> usize {
    let alphanumeric = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let mut length = alphanumeric(text);
    while length > 0 && text[length..].starts_with(['-', '_']) {
        let more = alphanumeric(&text[length + 1..]);
        if more == 0 {
            break;
        }
        length += 1 + more;
    }
    length
}

/// The ends of labels with dots between them.
fn labels(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    loop {
        let length = label(&text[at..]);
        if length == 0 {
            return ends;
        }
        at += length;
        ends.push(at);
        if !text[at..].starts_with('.') {
            return ends;
        }
        at += 1;
    }
}

/// `www.example.com:80`; the last label has two letters or more.
fn host(text: &str) -> Option<usize> {
    let ends = labels(head(text, LONGEST_ADDRESS));
    for index in (1..ends.len()).rev() {
        let start = ends[index - 1] + 1;
        let last = &text[start..ends[index]];
        let letters = last.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(last.len());
        if letters < 2 || last[letters..].starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let end = start + letters;
        let port = text[end..].strip_prefix(':').map_or(0, digits);
        return Some(if port > 0 { end + 1 + port } else { end });
    }
    None
}

fn email(text: &str) -> Option<usize> {
    let local = *labels(head(text, LONGEST_ADDRESS)).last()?;
    let host = host(text[local..].strip_prefix('@')?)?;
    Some(local + 1 + host)
}

/// `src/main.rs`: a name that goes on after a slash or dot.
fn file(text: &str) -> Option<usize> {
    let first = word_length(text);
    let is_number = digits(text) == first;
    let is_foreign = !text[..first].is_ascii() && dictionary_of(&text[..first]) == Dictionary::Words;
    let rest = &text[first..];
    let separated = rest.starts_with('/') || (rest.starts_with('.') && !is_number);
    let goes_on = |rest: &str| rest[1..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (first > 0 && !is_foreign && separated && goes_on(rest)).then(|| first + file_tail(rest))
}

/// `~/lib` and `~name`
fn home(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('~')?;
    let named = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (named || path(rest).is_some()).then(|| 1 + file_tail(rest))
}

/// `/usr/lib`
fn path(text: &str) -> Option<usize> {
    let name = text.strip_prefix('/')?;
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_').then(|| file_tail(text))
}

/// The length of what goes on as a file's name; dots and slashes only where more follows.
fn file_tail(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let goes_on = match byte {
            b'.' | b'/' => bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_'),
            other => is_name(other),
        };
        if !goes_on {
            break;
        }
        at += 1;
    }
    at
}

fn is_url_character(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

/// The length of a tag or comment of XML.
fn tag(text: &str) -> Option<usize> {
    if let Some(rest) = text.strip_prefix("<!--") {
        return head(rest, LONGEST_COMMENT).find("-->").map(|end| end + 7);
    }
    let name = text[1..].trim_start_matches(['/', '!', '?']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let after = name.find(|c: char| !is_name(c))?;
    let ends = name[after..].starts_with(|c: char| c.is_whitespace() || matches!(c, '>' | '/' | '?'));
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !ends {
        return None;
    }
    let mut quote = None;
    for (at, c) in head(text, LONGEST_COMMENT).char_indices().skip(1) {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (None, '!' | ':' | '=' | '#' | '/' | '&' | '?' | '%' | '~') => {}
            (None, c) if is_name(c) || is_letter(c) || c.is_whitespace() => {}
            (None, _) => return None,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
        }
    }
    None
}

/// The length of `&amp;` or `&#38;`.
fn entity(text: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.' | '-' | '#');
    let inside = &text[1..];
    let inside = &inside[..inside.find(|c: char| !is_name(c))?];
    let end = 1 + inside.len();
    let is_number = |digits: &str| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    let is_hexadecimal = |digits: &str| !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
    let fits = match inside.strip_prefix('#') {
        Some(number) => is_number(number) || number.strip_prefix(['x', 'X']).is_some_and(is_hexadecimal),
        None => {
            inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':')) && !inside.contains('#')
        }
    };
    (fits && text[end..].starts_with(';')).then_some(end + 1)
}

/// The first bytes of a text. What is looked for ahead of a word is bounded, so that no text takes more than its
/// length times a constant.
fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
