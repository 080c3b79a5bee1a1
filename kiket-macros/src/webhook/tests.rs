//! Is the generated code what we meant? `UPDATE_EXPECT=1 cargo test -p kiket-macros` writes the snapshots anew.

use super::{declared::Project, webhook, webhook_of};
use expect_test::{Expect, expect};
use proc_macro2::{Group, TokenStream, TokenTree};
use syn::{Expr, File, Item, Macro, parse_quote, parse2};

fn expand(args: &str, item: &str) -> TokenStream {
    webhook(args.parse().unwrap(), item.parse().unwrap())
}

/// Compares the expansion as a person reads it: what `submit!` is given stands as the value of `const SUBMIT`.
#[track_caller]
fn check(args: &str, item: &str, expected: &Expect) {
    let mut file: File = syn::parse2(expand(args, item)).unwrap();
    for item in &mut file.items {
        if let Item::Macro(submit) = item
            && submit
                .mac
                .path
                .segments
                .iter()
                .any(|segment| segment.ident == "a_webhook_handler_is_a_free_function")
        {
            let attributes = &submit.attrs;
            let mut tokens = submit.mac.tokens.clone().into_iter().peekable();
            let lints = tokens.next_if(|token| matches!(token, TokenTree::Group(_)));
            let lints =
                lints.and_then(|lints| parse2::<Group>(lints.into()).ok()).map(|lints| lints.stream());
            let value: Expr = parse2(tokens.collect()).unwrap();
            *item = parse_quote!(#(#attributes)* #lints const SUBMIT: _ = #value;);
        }
    }
    expected.assert_eq(&prettyplease::unparse(&file));
}

/// Compares the messages, and looks whether the item is still there, as it was written.
#[track_caller]
fn check_mistakes(args: &str, item: &str, expected: &[&str]) {
    let output = expand(args, item).to_string();
    let item = item.parse::<TokenStream>().unwrap().to_string();
    let beside = output.strip_prefix(&item).unwrap_or_else(|| panic!("{item} is gone: {output}"));
    let file: File = syn::parse_str(beside).unwrap();
    let messages = file.items.iter().map(|item| match item {
        Item::Macro(error) => message(&error.mac),
        _ => panic!("beside the item stands {beside}"),
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected);
}

#[track_caller]
fn message(error: &Macro) -> String {
    assert!(error.path.segments.iter().any(|segment| segment.ident == "compile_error"));
    error.parse_body::<syn::LitStr>().unwrap().value()
}

const ARGS: &str = r#""issue.created", version = "v1""#;
const HANDLER: &str = "async fn on_issue_created() {}";

#[test]
fn the_simplest_handler() {
    check(
        ARGS,
        "async fn on_issue_created(payload: Payload<IssueCreated>, context: Context) -> kiket::Result<Reply> { Ok(Reply::ok()) }",
        &expect![[r#"
            async fn on_issue_created(
                payload: Payload<IssueCreated>,
                context: Context,
            ) -> kiket::Result<Reply> {
                Ok(Reply::ok())
            }
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
                |__requirements| {
                    <Payload<
                        IssueCreated,
                    > as ::kiket::FromDelivery<'_>>::requirements(__requirements);
                    <Context as ::kiket::FromDelivery<'_>>::requirements(__requirements);
                },
                |__delivery| {
                    let __a0 = <Payload<
                        IssueCreated,
                    > as ::kiket::FromDelivery<'_>>::prepare(__delivery)?;
                    let __a1 = <Context as ::kiket::FromDelivery<'_>>::prepare(__delivery)?;
                    let __handler = on_issue_created;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            let __a0 = match __a0 {
                                ::kiket::__private::Prepared::Ready(__value) => __value,
                                ::kiket::__private::Prepared::Waiting(__delivery, __extract) => {
                                    __extract(__delivery).await?
                                }
                            };
                            let __a1 = match __a1 {
                                ::kiket::__private::Prepared::Ready(__value) => __value,
                                ::kiket::__private::Prepared::Waiting(__delivery, __extract) => {
                                    __extract(__delivery).await?
                                }
                            };
                            ::kiket::IntoReply::into_reply(__handler(__a0, __a1).await)
                        }),
                    )
                },
            );
        "#]],
    );
}

#[test]
fn a_later_handler_has_no_reply() {
    check(
        r#""issue.created", version = "v1", later, timeout = "5m", attempts = 8, backoff = "10s..1h", lane = "issue.id", on_dead = "block""#,
        "async fn on_issue_created() -> kiket::Result<()> { Ok(()) }",
        &expect![[r#"
            async fn on_issue_created() -> kiket::Result<()> {
                Ok(())
            }
            const SUBMIT: _ = ::kiket::__private::later! {
                [::kiket::__private::Registration::new(::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
                | _ | {}, | _ | { let __handler = on_issue_created;
                ::core::result::Result::Ok(::kiket::__private::spawnable(async move {
                ::kiket::__private::NoReply::into_reply(__handler(). await) })) },)
                .timeout(::kiket::__private::Timeout::from_static("5m"))]
                [::kiket::__private::Later::declared(::core::option::Option::Some(::kiket::__private::later::attempts(8)),
                ::core::option::Option::Some(::kiket::__private::later::backoff("10s..1h")),
                ::core::option::Option::Some(::kiket::__private::later::lane("issue.id")),
                ::kiket::__private::later::on_dead("block"))]
            };
        "#]],
    );
    check(
        r#""issue.created", later, version = "v1""#,
        HANDLER,
        &expect![[r#"
        async fn on_issue_created() {}
        const SUBMIT: _ = ::kiket::__private::later! {
            [::kiket::__private::Registration::new(::kiket::__private::EventName::from_static("issue.created"),
            ::kiket::__private::EventVersion::from_static("v1"),
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
            | _ | {}, | _ | { let __handler = on_issue_created;
            ::core::result::Result::Ok(::kiket::__private::spawnable(async move {
            ::kiket::__private::NoReply::into_reply(__handler(). await) })) },)]
            [::kiket::__private::Later::declared(::core::option::Option::None,
            ::core::option::Option::None, ::core::option::Option::None, false)]
        };
    "#]],
    );
}

#[test]
fn what_stands_beside_later_is_judged_alone() {
    let stray = |key: &str| {
        format!(
            "`{key}` is for handlers that run after the response: write `later` beside it, like `later, attempts = 8`"
        )
    };
    let attempts = "attempts are a number, like `attempts = 8`";
    for (keys, mistakes) in [
        ("attempts = 8", &[&*stray("attempts")][..]),
        (r#"lane = "a", backoff = "1s..2s""#, &[&stray("lane"), &stray("backoff")]),
        (r#"later, attempts = "8""#, &[attempts]),
        ("later, attempts = -1", &[attempts]),
        ("later, attempts", &["a key and its value are joined by `=`, like `version = \"v1\"`"]),
        ("later, backoff = 10", &["a backoff is a string literal, like `backoff = \"10s..1h\"`"]),
        ("later, lane = issue.id", &["a lane is a string literal, like `lane = \"issue.id\"`"]),
        (
            r#"later, on_dead = "skip""#,
            &["`on_dead` is about a lane: write its path beside it, like `lane = \"issue.id\"`"],
        ),
        (
            r#"later, lane = "a", on_dead = block"#,
            &["what a dead delivery does to its lane is a string literal, like `on_dead = \"block\"`"],
        ),
        (
            "later = true",
            &["`later` has no value: it stands alone, like `\"issue.created\", version = \"v1\", later`"],
        ),
        ("later, later", &["a key is given once, and this is `later` again"]),
        (
            "later, dedupe = false",
            &["a `later` handler is always deduplicated, by its inbox: it has no `dedupe`"],
        ),
    ] {
        check_mistakes(&format!("{ARGS}, {keys}"), HANDLER, mistakes);
    }
}

#[test]
fn a_type_stands_for_its_event() {
    check(
        r#"events::IssueCreated, version = "v1""#,
        HANDLER,
        &expect![[r#"
        async fn on_issue_created() {}
        const SUBMIT: _ = ::kiket::__private::Registration::new(
            <events::IssueCreated as ::kiket::Event>::NAME,
            ::kiket::__private::EventVersion::from_static("v1"),
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
            |_| {},
            |_| {
                let __handler = on_issue_created;
                ::core::result::Result::Ok(
                    ::kiket::__private::spawnable(async move {
                        ::kiket::IntoReply::into_reply(__handler().await)
                    }),
                )
            },
        );
    "#]],
    );
}

#[test]
fn kiket_may_be_found_elsewhere() {
    check(
        r#"events::IssueCreated, version = "v1", timeout = "5s", scopes = ["issues:read"], crate = company::kiket"#,
        "async fn on_issue_created(payload: Payload) {}",
        &expect![[r#"
            async fn on_issue_created(payload: Payload) {}
            const SUBMIT: _ = company::kiket::__private::Registration::new(
                    <events::IssueCreated as company::kiket::Event>::NAME,
                    company::kiket::__private::EventVersion::from_static("v1"),
                    ::core::concat!(
                        ::core::module_path!(), "::", ::core::stringify!(on_issue_created)
                    ),
                    |__requirements| {
                        <Payload as company::kiket::FromDelivery<'_>>::requirements(__requirements);
                    },
                    |__delivery| {
                        let __a0 = <Payload as company::kiket::FromDelivery<
                            '_,
                        >>::prepare(__delivery)?;
                        let __handler = on_issue_created;
                        ::core::result::Result::Ok(
                            company::kiket::__private::spawnable(async move {
                                let __a0 = match __a0 {
                                    company::kiket::__private::Prepared::Ready(__value) => __value,
                                    company::kiket::__private::Prepared::Waiting(
                                        __delivery,
                                        __extract,
                                    ) => __extract(__delivery).await?,
                                };
                                company::kiket::IntoReply::into_reply(__handler(__a0).await)
                            }),
                        )
                    },
                )
                .timeout(company::kiket::__private::Timeout::from_static("5s"))
                .scopes(const { &[company::kiket::__private::Scope::from_static("issues:read")] });
        "#]],
    );
    check_mistakes(
        r#""issue.created", version = "v1", crate = "hooks""#,
        HANDLER,
        &["the path to `kiket` is written without quotes, like `crate = company::kiket`"],
    );
    // A type's path may begin with the same word.
    check(
        r#"crate::IssueCreated, version = "v1""#,
        HANDLER,
        &expect![[r#"
        async fn on_issue_created() {}
        const SUBMIT: _ = ::kiket::__private::Registration::new(
            <crate::IssueCreated as ::kiket::Event>::NAME,
            ::kiket::__private::EventVersion::from_static("v1"),
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
            |_| {},
            |_| {
                let __handler = on_issue_created;
                ::core::result::Result::Ok(
                    ::kiket::__private::spawnable(async move {
                        ::kiket::IntoReply::into_reply(__handler().await)
                    }),
                )
            },
        );
    "#]],
    );
}

#[test]
fn no_arguments_need_no_delivery() {
    check(
        ARGS,
        HANDLER,
        &expect![[r#"
        async fn on_issue_created() {}
        const SUBMIT: _ = ::kiket::__private::Registration::new(
            ::kiket::__private::EventName::from_static("issue.created"),
            ::kiket::__private::EventVersion::from_static("v1"),
            ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
            |_| {},
            |_| {
                let __handler = on_issue_created;
                ::core::result::Result::Ok(
                    ::kiket::__private::spawnable(async move {
                        ::kiket::IntoReply::into_reply(__handler().await)
                    }),
                )
            },
        );
    "#]],
    );
}

#[test]
fn all_keys() {
    check(
        r#""issue.created", scopes = ["issues:read", "issues:write"], timeout = "5s", version = "v1","#,
        HANDLER,
        &expect![[r#"
            async fn on_issue_created() {}
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                    ::kiket::__private::EventName::from_static("issue.created"),
                    ::kiket::__private::EventVersion::from_static("v1"),
                    ::core::concat!(
                        ::core::module_path!(), "::", ::core::stringify!(on_issue_created)
                    ),
                    |_| {},
                    |_| {
                        let __handler = on_issue_created;
                        ::core::result::Result::Ok(
                            ::kiket::__private::spawnable(async move {
                                ::kiket::IntoReply::into_reply(__handler().await)
                            }),
                        )
                    },
                )
                .timeout(::kiket::__private::Timeout::from_static("5s"))
                .scopes(const {
                    &[
                        ::kiket::__private::Scope::from_static("issues:read"),
                        ::kiket::__private::Scope::from_static("issues:write"),
                    ]
                });
        "#]],
    );
}

#[test]
fn middleware_is_a_list_of_expressions() {
    check(
        r#""issue.created", version = "v1", middleware = [audit, Limit::<u8, 2>::new(5),]"#,
        HANDLER,
        &expect![[r#"
            async fn on_issue_created() {}
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                    ::kiket::__private::EventName::from_static("issue.created"),
                    ::kiket::__private::EventVersion::from_static("v1"),
                    ::core::concat!(
                        ::core::module_path!(), "::", ::core::stringify!(on_issue_created)
                    ),
                    |_| {},
                    |_| {
                        let __handler = on_issue_created;
                        ::core::result::Result::Ok(
                            ::kiket::__private::spawnable(async move {
                                ::kiket::IntoReply::into_reply(__handler().await)
                            }),
                        )
                    },
                )
                .middleware(|__handler| {
                    __handler.middleware(audit).middleware(Limit::<u8, 2>::new(5))
                });
        "#]],
    );
    let list = "middleware is a list of expressions, like `middleware = [audit, Limit::new(5)]`";
    for value in ["audit", r#""audit""#, "[audit audit]", "[,]", "(audit, audit)"] {
        check_mistakes(&format!("{ARGS}, middleware = {value}"), HANDLER, &[list]);
    }
    let value = "a key and its value are joined by `=`, like `version = \"v1\"`";
    check_mistakes(&format!("{ARGS}, middleware [audit]"), HANDLER, &[value]);
}

/// What stands beside the handler in a folder with those files; `None` turns the comparison off.
fn declared(args: &str, files: Option<&[(&str, &str)]>) -> String {
    let folder = std::env::temp_dir().join(format!("kiket-declared-{}-{}", std::process::id(), line!()));
    let folder = folder.join(format!("{:?}", std::thread::current().id()));
    let _ = std::fs::remove_dir_all(&folder);
    for (name, text) in files.unwrap_or_default() {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let project = || Project { folder: files.map(|_| folder.clone()) };
    let all = webhook_of(args.parse().unwrap(), HANDLER.parse().unwrap(), project);
    let _ = std::fs::remove_dir_all(&folder);
    let mut file: File = syn::parse2(all).unwrap();
    file.items.drain(..2);
    prettyplease::unparse(&file)
}

#[test]
fn a_declared_event_names_the_manifest() {
    let args = r#""issue.created", version = "v1", declared"#;
    expect![[r#"
        const _: (::core::option::Option<&str>, &str) = (
            ::core::option_env!("KIKET_MANIFEST_CHECK"),
            ::core::include_str!(
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/manifest.yaml")
            ),
        );
    "#]]
    .assert_eq(&declared(args, Some(&[("manifest.yaml", "hooks:\n- issue.created # new\n")])));
    let nearly = "hooks: [xissue.created, issue.created.x, issue-created, issue_created, issue.createdx]";
    expect![[r#"
        const _: ::core::option::Option<&str> = {
            let __manifest = ::core::include_str!(
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/.kiket/manifest.yaml")
            );
            ::core::assert!(
                ::kiket::__private::is_declared("issue.created", __manifest),
                "`issue.created` is not in `.kiket/manifest.yaml`: add it to the `hooks`, or correct it"
            );
            ::core::option_env!("KIKET_MANIFEST_CHECK")
        };
    "#]]
    .assert_eq(&declared(args, Some(&[(".kiket/manifest.yaml", nearly)])));
    expect![[r#"
        const _: ::core::option::Option<&str> = ::core::option_env!("KIKET_MANIFEST_CHECK");
    "#]]
    .assert_eq(&declared(args, None));
    expect![[r#"
        ::core::compile_error! {
            "`declared` looks for the event in the manifest, and the folder of the package has none, like `extension.yaml`; `KIKET_MANIFEST_CHECK=0` turns this off"
        }
    "#]].assert_eq(&declared(args, Some(&[])));
    expect![[r#"
        ::core::compile_error! {
            "`declared` looks for the event in the manifest, which is no regular file"
        }
    "#]]
    .assert_eq(&declared(args, Some(&[("extension.yaml/directory", "")])));
    assert_eq!(declared(ARGS, Some(&[])), "");
}

#[test]
fn declared_stands_alone_beside_a_text() {
    let alone =
        "`declared` has no value: it stands alone, like `\"issue.created\", version = \"v1\", declared`";
    check_mistakes(&format!("{ARGS}, declared = true"), HANDLER, &[alone]);
    let twice = "a key is given once, and this is `declared` again";
    check_mistakes(&format!("{ARGS}, declared, declared"), HANDLER, &[twice]);
    let text = "`declared` looks for the text of the event in the manifest: write the event as text, like `\"issue.created\"`";
    check_mistakes(r#"events::IssueCreated, version = "v1", declared"#, HANDLER, &[text]);
    let first = "the event comes first, as a string literal like `\"issue.created\"` or a type like `events::IssueCreated`";
    check_mistakes(r#"declared, "issue.created", version = "v1""#, HANDLER, &[first]);
}

#[test]
fn conditions_hold_for_the_registration_too() {
    check(
        ARGS,
        "/// Reads mail. \n #[cfg(feature = \"mail\")] #[allow(dead_code)] #[cfg(unix)] pub async fn on_issue_created() {}",
        &expect![[r#"
            /// Reads mail.
            #[cfg(feature = "mail")]
            #[allow(dead_code)]
            #[cfg(unix)]
            pub async fn on_issue_created() {}
            #[cfg(feature = "mail")]
            #[cfg(unix)]
            #[allow(dead_code)]
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
                |_| {},
                |_| {
                    let __handler = on_issue_created;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            ::kiket::IntoReply::into_reply(__handler().await)
                        }),
                    )
                },
            );
        "#]],
    );
}

#[test]
fn a_second_attribute_is_left_for_its_turn() {
    check(
        ARGS,
        r#"#[kiket::webhook("issue.updated", version = "v1")] async fn on_issue_created() {}"#,
        &expect![[r#"
            #[kiket::webhook("issue.updated", version = "v1")]
            async fn on_issue_created() {}
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
                |_| {},
                |_| {
                    let __handler = on_issue_created;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            ::kiket::IntoReply::into_reply(__handler().await)
                        }),
                    )
                },
            );
        "#]],
    );
}

#[test]
fn a_generic_type_stands_for_its_event() {
    for event in ["Sent<u8, u16>", "sent::Sent::<fn(u8) -> u8, Box<[u8; 2]>>"] {
        let expansion = expand(&format!("{event}, version = \"v1\""), HANDLER).to_string();
        let name = format!("<{event} as ::kiket::Event>::NAME").replace(' ', "");
        assert!(expansion.replace(' ', "").contains(&name), "{expansion}");
    }
}

#[test]
fn a_deprecated_handler_is_registered_without_a_warning() {
    check(
        ARGS,
        "#[deprecated] async fn on_issue_created() {}",
        &expect![[r#"
            #[deprecated]
            async fn on_issue_created() {}
            #[allow(deprecated)]
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(on_issue_created)),
                |_| {},
                |_| {
                    let __handler = on_issue_created;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            ::kiket::IntoReply::into_reply(__handler().await)
                        }),
                    )
                },
            );
        "#]],
    );
}

#[test]
fn mistakes_stand_beside_the_function() {
    check(
        "version = 1",
        "fn on_issue_created() {}",
        &expect![[r#"
        fn on_issue_created() {}
        ::core::compile_error! {
            "the event comes first, as a string literal like `\"issue.created\"` or a type like `events::IssueCreated`"
        }
        ::core::compile_error! {
            "the version of an event is a string literal, like `version = \"v1\"`"
        }
        ::core::compile_error! {
            "a webhook handler is an `async fn`, like `async fn on_issue_created(payload: Payload)`"
        }
    "#]],
    );
}

#[test]
fn patterns_attributes_and_modifiers_of_arguments_do_not_matter() {
    check(
        ARGS,
        "async fn r#async(#[allow(unused)] Payload(issue): Payload<Issue<'_>>, mut context: Context,) -> impl IntoReply {}",
        &expect![[r#"
            async fn r#async(
                #[allow(unused)]
                Payload(issue): Payload<Issue<'_>>,
                mut context: Context,
            ) -> impl IntoReply {}
            const SUBMIT: _ = ::kiket::__private::Registration::new(
                ::kiket::__private::EventName::from_static("issue.created"),
                ::kiket::__private::EventVersion::from_static("v1"),
                ::core::concat!(::core::module_path!(), "::", ::core::stringify!(r#async)),
                |__requirements| {
                    <Payload<Issue<'_>> as ::kiket::FromDelivery<'_>>::requirements(__requirements);
                    <Context as ::kiket::FromDelivery<'_>>::requirements(__requirements);
                },
                |__delivery| {
                    let __a0 = <Payload<
                        Issue<'_>,
                    > as ::kiket::FromDelivery<'_>>::prepare(__delivery)?;
                    let __a1 = <Context as ::kiket::FromDelivery<'_>>::prepare(__delivery)?;
                    let __handler = r#async;
                    ::core::result::Result::Ok(
                        ::kiket::__private::spawnable(async move {
                            let __a0 = match __a0 {
                                ::kiket::__private::Prepared::Ready(__value) => __value,
                                ::kiket::__private::Prepared::Waiting(__delivery, __extract) => {
                                    __extract(__delivery).await?
                                }
                            };
                            let __a1 = match __a1 {
                                ::kiket::__private::Prepared::Ready(__value) => __value,
                                ::kiket::__private::Prepared::Waiting(__delivery, __extract) => {
                                    __extract(__delivery).await?
                                }
                            };
                            ::kiket::IntoReply::into_reply(__handler(__a0, __a1).await)
                        }),
                    )
                },
            );
        "#]],
    );
}

#[test]
fn bodies_are_not_parsed() {
    let output = expand(ARGS, "async fn on_issue_created() { what syntax ~ is ==> this? }").to_string();
    assert!(output.contains("what syntax") && output.contains("Registration"), "{output}");
}

#[test]
fn c_variadics_are_refused() {
    check_mistakes(
        ARGS,
        "async fn on_issue_created(first: u8, ...) {}",
        &["a webhook handler names all its arguments, like `payload: Payload`"],
    );
}

#[test]
fn keys_come_in_any_order_and_the_last_comma_is_free() {
    for args in [
        r#""a", version = "v1","#,
        r#""a", version = "v1", timeout = "5s""#,
        r#""a", timeout = "5s", version = "v1""#,
        r#""a", scopes = [], version = "v1""#,
        r#""a", scopes = ["b",], version = r"v1""#,
        r#"IssueCreated, version = "v1""#,
        r#"::kiket::events::IssueCreated, timeout = "5s", version = "v1","#,
        r#"IssueRef<'_>, version = "v1""#,
        r#"<Mail as Sent>::Event, version = "v1""#,
        r#"self::r#type, version = "v1""#,
    ] {
        assert!(!expand(args, HANDLER).to_string().contains("compile_error"), "{args}");
    }
}

#[test]
fn each_part_of_the_attribute_is_judged_alone() {
    let event = "the event comes first, as a string literal like `\"issue.created\"` or a type like `events::IssueCreated`";
    let version_missing = "a webhook names the version of its event, like `version = \"v1\"`";
    let key = "what follows the event has a key, like `version = \"v1\"`";
    let value = "a key and its value are joined by `=`, like `version = \"v1\"`";
    let version = "the version of an event is a string literal, like `version = \"v1\"`";
    let scopes = "scopes are an array of string literals, like `scopes = [\"issues:read\"]`";
    for (args, mistakes) in [
        (r#"true, version = "v1""#, &[event][..]),
        (r#"&EVENT, version = "v1""#, &[event]),
        (r#"(EVENT), version = "v1""#, &[event]),
        (r#"EVENT EVENT, version = "v1""#, &[event]),
        (r#"EVENT., version = "v1""#, &[event]),
        (r#"[EVENT], version = "v1""#, &[event]),
        (r#"dyn Event, version = "v1""#, &[event]),
        (r"IssueCreated", &[version_missing]),
        (r#"IssueCreated, "v1""#, &[key]),
        (r#"IssueCreated, IssueUpdated, version = "v1""#, &[key]),
        (r#""a", IssueCreated, version = "v1""#, &[key]),
        (r#"version = "v1", IssueCreated"#, &[event]),
        (r#"b"a", version = "v1""#, &[event]),
        (r#""a" "b", version = "v1""#, &[event]),
        (r#"concat!("a"), version = "v1""#, &[event]),
        (r#"version = "v1", "a""#, &[event]),
        (r#"version = "v1", timeout = "5s""#, &[event]),
        (r#", version = "v1""#, &[event]),
        (r#""a", "v1""#, &[key]),
        (r#""a", "b", version = "v1""#, &[key, "a key is given once, and this is `version` again"]),
        (r#""a", version = "v1", "b", 7"#, &[key, key]),
        (r#""a", version"#, &[value]),
        (r#""a", version ="#, &[value]),
        (r#""a", version: "v1""#, &[value]),
        (r#""a", version == "v1""#, &[version]),
        (r#""a", version = -1"#, &[version]),
        (r#""a", version = VERSION, scopes = "b""#, &[version, scopes]),
        (r#""a", version = "v1", scopes = ["b", 1, 2]"#, &[scopes, scopes]),
        (r#""a", version = "v1", scopes = ("b", "c")"#, &[scopes]),
        (r#""a", version = "v1", scopes = ["b",, "c"]"#, &[scopes]),
    ] {
        check_mistakes(args, HANDLER, mistakes);
    }
}

/// Every attribute on every item, also those that the compiler would not let through.
#[test]
fn no_input_panics() {
    let args =
        ["", "=", ",", ",,", "\"a\"", "'a'", "version", "version =", "= =", "[", "scopes = [[,]]", "a::b<c>"];
    let items = [
        "",
        ";",
        "#",
        "#[a]",
        "pub",
        "pub(in",
        "fn",
        "async fn",
        "async fn f",
        "async fn f()",
        "async fn f() ->",
        "async fn f(self: Box<Self>) {}",
        "async fn f(a) {}",
        "async fn f(_: ) {}",
        "async fn f(..., _: u8) {}",
        "async fn f<'a, T, const N: usize>() where {}",
        "extern \"C\" { }",
        "macro_rules! m { () => {} }",
        "unsafe impl A for B {}",
        "async move {}",
        "const _: () = {};",
        "1 + 1",
        "async fn r#fn(_: r#impl) {}",
    ];
    for args in args.iter().filter_map(|args| args.parse().ok()).chain([ARGS.parse().unwrap()]) {
        for item in items.iter().filter_map(|item| item.parse().ok()) {
            let _: TokenStream = webhook(TokenStream::clone(&args), item);
        }
    }
}
