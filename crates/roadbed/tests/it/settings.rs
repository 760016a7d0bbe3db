//! `docs/settings.md` is the list of settings, as a page. `ROADBED_TEST_BLESS=1` writes it.

use std::fmt::Write;
use std::path::Path;

use roadbed::config::SETTINGS;

use crate::harness::variable;

const BEFORE: &str = "# Settings\n
Defaults, then `roadbed.toml` in the folder, then variables, then the flags `--database` and `--listen`: what comes later
wins. An unknown setting or a wrong value is refused at start, with its place and the nearest right name.\n
The sections `[rest]` and `[jwt]` take what PostgREST's configuration has, under its names less the `db-`.\n
| setting | variable | default | meaning |
| --- | --- | --- | --- |
";

#[test]
fn the_page_of_settings_is_the_list() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    let mut expected = BEFORE.to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        let (name, variable, meaning) = (setting.name, setting.variable(), setting.meaning);
        writeln!(expected, "| `{name}` | `{variable}` | {default} | {meaning} |").expect("a string takes all");
    }
    if variable("ROADBED_TEST_BLESS").is_some() {
        std::fs::write(&page, &expected).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(written, expected, "write it with ROADBED_TEST_BLESS=1");
}
