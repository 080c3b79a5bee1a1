//! Snapshots of expansions and messages; `UPDATE_EXPECT=1 cargo test -p kiket-macros` rewrites them.

#![allow(clippy::needless_raw_string_hashes)] // as snapshots are written

use super::{FIELD, retry};
use expect_test::{Expect, expect};
use syn::{Expr, File, Item, LitStr, parse_quote};

/// Compares the expansion, formatted: the input of `submit!` is shown as the value of `const SUBMIT`.
#[track_caller]
fn check(item: &str, expected: &Expect) {
    let mut file: File = syn::parse2(retry(item.parse().unwrap())).unwrap();
    for item in &mut file.items {
        if let Item::Macro(submit) = item {
            let value: Expr = submit.mac.parse_body().unwrap();
            *item = parse_quote!(const SUBMIT: _ = #value;);
        }
    }
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[track_caller]
fn check_mistakes(item: &str, expected: &[&str]) {
    let file: File = syn::parse2(retry(item.parse().unwrap())).unwrap();
    let messages = file.items.iter().map(|item| match item {
        Item::Macro(error) => error.mac.parse_body::<LitStr>().unwrap().value(),
        _ => panic!("no mistake: {}", prettyplease::unparse(&file)),
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected);
}

#[test]
fn each_variant_has_its_advice() {
    check(
        r#"
            #[error("unused")]
            pub(crate) enum Mail {
                #[retry(never)]
                Unknown,
                #[retry(after = "30s")]
                Busy(Duration),
                #[retry(status = 409)]
                Sent { at: Instant },
                Io(#[from] std::io::Error),
            }
        "#,
        &expect![[r##"
            #[automatically_derived]
            impl ::kiket::Retry for Mail {
                fn retry(&self) -> ::core::option::Option<::kiket::__private::Advice> {
                    match self {
                        Self::Unknown { .. } => {
                            ::core::option::Option::Some(::kiket::__private::Advice::never())
                        }
                        Self::Busy { .. } => {
                            ::core::option::Option::Some({
                                const DELAY: ::core::time::Duration = ::kiket::__private::Timeout::from_static(
                                        "30s",
                                    )
                                    .duration();
                                ::kiket::__private::Advice::after(DELAY)
                            })
                        }
                        Self::Sent { .. } => {
                            ::core::option::Option::Some(::kiket::__private::Advice::status(409))
                        }
                        Self::Io { .. } => ::core::option::Option::None,
                    }
                }
            }
            const SUBMIT: _ = ::kiket::__private::Classifier::new::<Mail>();
        "##]],
    );
}

#[test]
fn a_struct_has_one_advice() {
    check(
        "#[retry(status = 404, crate = company::kiket)] struct Unknown(u8);",
        &expect![[r#"
            #[automatically_derived]
            impl company::kiket::Retry for Unknown {
                fn retry(&self) -> ::core::option::Option<company::kiket::__private::Advice> {
                    ::core::option::Option::Some(company::kiket::__private::Advice::status(404))
                }
            }
            const SUBMIT: _ = company::kiket::__private::Classifier::new::<Unknown>();
        "#]],
    );
    check(
        "struct Unknown;",
        &expect![[r#"
            #[automatically_derived]
            impl ::kiket::Retry for Unknown {
                fn retry(&self) -> ::core::option::Option<::kiket::__private::Advice> {
                    ::core::option::Option::None
                }
            }
            const SUBMIT: _ = ::kiket::__private::Classifier::new::<Unknown>();
        "#]],
    );
    check(
        "enum Never {}",
        &expect![[r#"
            #[automatically_derived]
            impl ::kiket::Retry for Never {
                fn retry(&self) -> ::core::option::Option<::kiket::__private::Advice> {
                    match *self {}
                }
            }
            const SUBMIT: _ = ::kiket::__private::Classifier::new::<Never>();
        "#]],
    );
}

#[test]
fn mistakes_are_reported_together() {
    const STATUS: &str = "a status that is not retried is a number from 400 to 499, like `status = 409`";
    check_mistakes(
        r#"
            #[retry(crate = "kiket")]
            enum Mail<T> {
                #[retry(never = true)]
                Unknown,
                #[retry(after = 30)]
                Busy(T),
                #[retry(status = 503)]
                Down,
                #[retry(status = "409")]
                Sent,
                #[retry(later)]
                Late,
                #[retry(never, status = 409)]
                Both,
                #[retry(crate = kiket)]
                Elsewhere,
                #[retry(status = 429)]
                TooMany,
                Mail(#[from] #[retry(never)] MailError),
            }
        "#,
        &[
            "the path to `kiket` is written without quotes, like `crate = company::kiket`",
            "`never` stands alone, without a value",
            "a delay is a string literal, like `after = \"30s\"`",
            STATUS,
            STATUS,
            "the keys of `retry` are `never`, `after`, `status` and `crate`, not `later`",
            "one of `never`, `after` and `status` is given",
            "the path to `kiket` stands above the enum",
            "Kiket sends a delivery again after a 429, and this status is one that is not retried: write `after = \"30s\"`",
            FIELD,
            "an error with parameters cannot be found in a source chain: implement `kiket::Retry` by hand, and name each of its types with `builder.classify::<Failed<Mail>>(..)`",
        ],
    );
    check_mistakes("#[retry(never)] enum Mail { Unknown }", &["advice stands above each variant of an enum"]);
    check_mistakes("struct Mail(#[retry(status = 410)] String);", &[FIELD]);
    check_mistakes("enum Mail { #[retry] Unknown }", &["keys stand in parentheses, like `#[retry(never)]`"]);
    check_mistakes("union Mail { a: u8 }", &["an error is a struct or an enum"]);
}

#[test]
fn nothing_is_allowed_that_is_not_deprecated() {
    let expand = |item: &str| retry(item.parse().unwrap()).to_string();
    assert!(!expand("enum Mail { Unknown }").contains("allow"));
    for item in [
        "#[deprecated] struct Mail;",
        "enum Mail { #[deprecated] Unknown }",
        "enum Mail { Old(#[deprecated] u8) }",
    ] {
        let expansion = expand(item);
        assert!(expansion.contains("# [allow (deprecated)] impl"), "{expansion}");
        assert!(expansion.contains("# [allow (deprecated)] const _ : () = {"), "{expansion}");
    }
}
