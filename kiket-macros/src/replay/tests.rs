//! Is the generated code what we meant? `UPDATE_EXPECT=1 cargo test -p kiket-macros` writes the snapshots anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use syn::{File, Item};

use super::replay;

/// A folder of this test alone, with files in it.
struct Package(PathBuf);

impl Package {
    fn with(name: &str, files: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("kiket-macros-{}-{name}", std::process::id()));
        fs::create_dir_all(folder.join("captures/a.json.d")).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        Self(folder)
    }
}

impl Drop for Package {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn expand(args: &str, item: &str, package: &Path) -> TokenStream {
    replay(args.parse().unwrap(), item.parse().unwrap(), package)
}

#[track_caller]
fn check(args: &str, item: &str, package: &Package, expected: &Expect) {
    let file: File = syn::parse2(expand(args, item, &package.0)).unwrap();
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[track_caller]
fn check_mistakes(args: &str, item: &str, package: &Package, expected: &[&str]) {
    let output = expand(args, item, &package.0).to_string();
    let item = item.parse::<TokenStream>().unwrap().to_string();
    let beside = output.strip_prefix(&item).unwrap_or_else(|| panic!("{item} is gone: {output}"));
    let file: File = syn::parse_str(beside).unwrap();
    let messages = file.items.iter().map(|item| match item {
        Item::Macro(error) => error.mac.parse_body::<syn::LitStr>().unwrap().value(),
        _ => panic!("beside the item stands {beside}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected);
}

const PATTERN: &str = r#""captures/*.json""#;

#[test]
fn a_function_gets_a_module_with_a_test_of_each_file() {
    let package = Package::with("function", &["captures/issue.created.json", "captures/a.txt", "b.json"]);
    check(
        PATTERN,
        "fn extension() -> ExtensionBuilder { builder() }",
        &package,
        &expect![[r#"
        fn extension() -> ExtensionBuilder {
            builder()
        }
        #[cfg(test)]
        mod extension {
            #[::core::prelude::v1::test]
            fn issue_created() {
                ::kiket::testing::__private::replay(
                    ::core::concat!(
                        ::core::env!("CARGO_MANIFEST_DIR"), "/captures/issue.created.json"
                    ),
                    ::core::include_str!(
                        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"),
                        "/captures/issue.created.json")
                    ),
                    |_| async move { super::extension() },
                );
            }
            #[::core::prelude::v1::test]
            fn captures_since_this_build() {
                ::kiket::testing::__private::replay_new(
                    ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/captures"),
                    ("", ".json"),
                    &["issue.created.json"],
                    |_| async move { super::extension() },
                );
            }
        }
    "#]],
    );
}

#[test]
fn a_setup_is_given_a_builder() {
    let package = Package::with("setup", &["b.json"]);
    check(
        r#""*.json", crate = company::kiket"#,
        "pub async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> { Ok(builder) }",
        &package,
        &expect![[r#"
            pub async fn setup(builder: ExtensionBuilder) -> kiket::Result<ExtensionBuilder> {
                Ok(builder)
            }
            #[cfg(test)]
            mod setup {
                #[::core::prelude::v1::test]
                fn b() {
                    super::__kiket_of_setup::testing::__private::replay(
                        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/b.json"),
                        ::core::include_str!(
                            ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/b.json")
                        ),
                        |__builder| super::setup(__builder),
                    );
                }
                #[::core::prelude::v1::test]
                fn captures_since_this_build() {
                    super::__kiket_of_setup::testing::__private::replay_new(
                        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/"),
                        ("", ".json"),
                        &["b.json"],
                        |__builder| super::setup(__builder),
                    );
                }
            }
            #[cfg(test)]
            use company::kiket as __kiket_of_setup;
        "#]],
    );
}

#[test]
fn a_module_keeps_its_items() {
    let package = Package::with("module", &["captures/b.json"]);
    check(
        PATTERN,
        "#[cfg(test)] mod captures { use a::b; }",
        &package,
        &expect![[r#"
        #[cfg(test)]
        mod captures {
            use a::b;
            #[::core::prelude::v1::test]
            fn b() {
                ::kiket::testing::__private::replay(
                    ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/captures/b.json"),
                    ::core::include_str!(
                        ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/captures/b.json")
                    ),
                    |__builder| async move { __builder },
                );
            }
            #[::core::prelude::v1::test]
            fn captures_since_this_build() {
                ::kiket::testing::__private::replay_new(
                    ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/captures"),
                    ("", ".json"),
                    &["b.json"],
                    |__builder| async move { __builder },
                );
            }
        }
    "#]],
    );
}

#[test]
fn tests_have_names_of_their_own() {
    let files = [
        "captures/a-b.json",
        "captures/a.b.json",
        "captures/1.json",
        "captures/fn.json",
        "captures/A_B.json",
    ];
    let package = Package::with("names", &files);
    let output = expand(PATTERN, "mod captures {}", &package.0).to_string();
    for name in ["capture_1", "a_b", "a_b_2", "a_b_3", "capture_fn", "captures_since_this_build"] {
        assert!(output.contains(&format!("fn {name} ()")), "{name}: {output}");
    }
    assert_eq!(output.matches("include_str").count(), 5, "{output}");
}

#[test]
fn mistakes_are_named_together_with_what_is_right() {
    const FUNCTION: &str = "fn extension() -> ExtensionBuilder {}";
    let package = Package::with("mistakes", &["captures/b.json"]);
    let empty = "replayed captures are named by a pattern, like `#[kiket::replay(\"captures/*.json\")]`";
    let pattern = "a pattern is a path below the folder of the package, with one `*` in the name of the file, like `\"captures/*.json\"`";
    let keys = "the one key beside the pattern is `crate`, like `crate = company::kiket`";
    for (args, message) in [
        ("", empty),
        ("captures", empty),
        ("5", empty),
        (r#""captures/b.json""#, pattern),
        (r#""/captures/*.json""#, pattern),
        (r#""*/b.json""#, pattern),
        (r#""captures/*.*""#, pattern),
        (r#""captures/*.json", update = true"#, keys),
        (r#""captures/*.json", "b""#, keys),
        (r#""captures/*.json", crate = a, crate = b"#, keys),
        (
            r#""other/*.json""#,
            "no file matches `other/*.json` below the folder of the package: `cargo kiket send EVENT --save other/NAME.json` writes one",
        ),
    ] {
        check_mistakes(args, FUNCTION, &package, &[message]);
    }
    let arguments = "the function has no arguments, or an `ExtensionBuilder` alone, like `fn extension(builder: ExtensionBuilder) -> ExtensionBuilder`";
    let output = "the function returns an `ExtensionBuilder`, like `fn extension() -> ExtensionBuilder`";
    let item = "captures are replayed with a function that returns an `ExtensionBuilder`, or, without one, in a module like `mod captures {}`";
    for (target, messages) in [
        ("fn f(a: A, b: B) -> ExtensionBuilder {}", &[arguments][..]),
        ("fn f(&self) -> ExtensionBuilder {}", &[arguments]),
        ("fn f() {}", &[output]),
        ("fn f<T>() -> T {}", &["the function is not generic, like `fn extension() -> ExtensionBuilder`"]),
        ("mod captures;", &["the module has a body, which the tests go into, like `mod captures {}`"]),
        ("struct Captures;", &[item]),
    ] {
        check_mistakes(PATTERN, target, &package, messages);
    }
    check_mistakes("", "fn f(a: A, b: B) {}", &package, &[empty, arguments, output]);
}
