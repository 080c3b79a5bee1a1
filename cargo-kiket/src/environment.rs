//! Variables that `cargo run` gives to the extension and not to this tool: `[env]` of `.cargo/config.toml`.

use std::{collections::BTreeMap, fs, path::Path};

use toml_edit::{DocumentMut, Item};

/// The variables of the configuration files at and above `folder`, of which the nearest one counts. Those that the process has
/// are left out, unless they are forced, as cargo does it.
pub(crate) fn of_cargo(folder: &Path) -> Vec<(String, String)> {
    let mut variables = BTreeMap::new();
    for folder in folder.ancestors() {
        let Ok(text) = fs::read_to_string(folder.join(".cargo/config.toml")) else { continue };
        // Cargo itself names what is wrong with a file.
        let Ok(document) = text.parse::<DocumentMut>() else { continue };
        let Some(table) = document.get("env").and_then(Item::as_table_like) else { continue };
        for (name, item) in table.iter() {
            let of = |key: &str| item.as_table_like().and_then(|table| table.get(key));
            let is = |key: &str| of(key).and_then(Item::as_bool) == Some(true);
            let Some(value) = item.as_str().or_else(|| of("value")?.as_str()) else { continue };
            let value =
                if is("relative") { folder.join(value).display().to_string() } else { value.to_owned() };
            if is("force") || std::env::var_os(name).is_none() {
                variables.entry(name.to_owned()).or_insert(value);
            }
        }
    }
    variables.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_those_of_cargo() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        for (at, text) in [
            (
                folder.path(),
                "[env]\nKIKET_T_ONE = \"far\"\nKIKET_T_TWO = { value = \"two\" }\nPATH = \"lost\"",
            ),
            (&*folder.path().join("a"), "this is = = no TOML"),
            (
                &*below,
                "[env]\nKIKET_T_ONE = \"near\"\nHOME = { value = \"forced\", force = true }\n\
                 KIKET_T_FILE = { value = \"x\", relative = true }\nKIKET_T_NUMBER = 1",
            ),
        ] {
            fs::create_dir_all(at.join(".cargo")).unwrap();
            fs::write(at.join(".cargo/config.toml"), text).unwrap();
        }
        let file = below.join("x").display().to_string();
        let found = of_cargo(&below);
        let found: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            found,
            [("HOME", "forced"), ("KIKET_T_FILE", &*file), ("KIKET_T_ONE", "near"), ("KIKET_T_TWO", "two")]
        );
    }
}
