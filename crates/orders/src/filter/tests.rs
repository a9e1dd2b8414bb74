//! Filters as a remote sends them: vectors, keywords, bounds.

use proptest::prelude::*;

use super::*;
use crate::Network;

/// The first order of the sample that trades one ERC-20 token for another.
fn order() -> SignedOrder {
    let json = r#"{"chainId":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788","makerAddress":"0x5409ed021d9299bf6814279a6a1411a7e866a631","makerAssetData":"0xf47261b0000000000000000000000000871dd7c2b4b25e1aa18728e9d5f2af4c4e431f5c","makerFeeAssetData":"0x","makerAssetAmount":"100000000000000000000","makerFee":"0","takerAddress":"0x0000000000000000000000000000000000000000","takerAssetData":"0xf47261b00000000000000000000000000b1ba0af832d7c05fd64161e0db78e85978e8082","takerFeeAssetData":"0x","takerAssetAmount":"50000000000000000000","takerFee":"0","senderAddress":"0x0000000000000000000000000000000000000000","feeRecipientAddress":"0xa258b39954cef5cb142fd567a46cddb31a670124","expirationTimeSeconds":"1893456000","salt":"1548619145450","signature":"0x1c4e08e1e04eef2109f774d8e5db82ddf9d288b8e21fb473f717e9fc3bc6fd33ea0d98fc78114e4b2b43333246cf36347f042abbc9305d9f57bc5a4ecd39677fe502"}"#;
    SignedOrder::from_json(json).unwrap()
}

fn filter(schema: &str) -> Filter {
    Filter::new(Network::GANACHE, schema).unwrap_or_else(|error| panic!("{schema}: {error}"))
}

fn refusal(schema: &str) -> BadFilter {
    match Filter::new(Network::GANACHE, schema) {
        Ok(_) => panic!("{schema} is taken"),
        Err(error) => error,
    }
}

#[test]
fn the_wire_form_is_that_of_0x_mesh() {
    let json = r#"{"customOrderSchema":"{}","chainID":1337,"exchangeAddress":"0x48bacb9266a570d521063ef5dd96e61686dbe788"}"#;
    let filter = Filter::from_json(json).unwrap();
    assert!(filter.is_default());
    assert_eq!(filter.network(), Network::GANACHE);
    assert_eq!(filter.to_json(), json);
    // The spelling of a schema is kept, its meaning compared; HTML is escaped as Go does it.
    let schema = " { \"title\" : \"<a> & \\u2028 \u{7f}\u{2028}\\n\" }\t";
    let filter = Filter::new(Network::GANACHE, schema).unwrap();
    assert!(filter.to_json().starts_with(
        "{\"customOrderSchema\":\" { \\\"title\\\" : \\\"\\u003ca\\u003e \\u0026 \\\\u2028 \
         \u{7f}\\u2028\\\\n\\\" }\\t\",\"chainID\""
    ));
    assert_eq!(Filter::from_json(&filter.to_json()).unwrap().schema(), schema);
}

#[test]
fn the_meaning_does_not_depend_on_the_spelling() {
    // As 0x Mesh has it in the name of a topic.
    let expected = r#"{"properties":{"senderAddress":{"pattern":"0x00000000000000000000000000000000ba5eba11","type":"string"}}}"#;
    for schema in [
        r#"{"properties":{"senderAddress":{"type":"string","pattern":"0x00000000000000000000000000000000ba5eba11"}}}"#,
        r#"{ "properties" : { "senderAddress" : {
            "pattern":"0x00000000000000000000000000000000ba5eba11", "type":"\u0073tring" } } }"#,
    ] {
        assert_eq!(&*filter(schema).canonical, expected);
        assert!(!filter(schema).is_default());
    }
    assert_eq!(&*filter(" { } ").canonical, "{}");
    assert_eq!(filter(" { } "), filter("{}"));
}

#[test]
fn other_wire_forms_are_refused_with_the_key() {
    let good = Filter::new(Network::GANACHE, "{}").unwrap().to_json();
    let missing = |key| BadFilter::Missing { key };
    for (from, to, expected) in [
        ("\"customOrderSchema\":\"{}\",", "", missing("customOrderSchema")),
        ("\"chainID\":1337,", "", missing("chainID")),
        ("\"chainID\"", "\"chainId\"", missing("chainID")),
        ("{\"custom", "{\"a\":1,\"custom", BadFilter::UnknownKey { key: "a".into() }),
        ("{\"custom", "{\"chainID\":1,\"custom", BadFilter::Duplicate { key: "chainID".into() }),
        ("\"{}\"", "1", BadFilter::BadValue { key: "customOrderSchema", expected: "a string" }),
        ("\"{}\"", "{}", BadFilter::TooDeep { bound: 1 }),
        ("1337", "1337.0", BadFilter::NotAnInteger),
        ("\"{}\"", "\"\"", BadFilter::Syntax { line: 1, column: 0 }),
    ] {
        assert_eq!(Filter::from_json(&good.replace(from, to)), Err(expected), "{from} {to}");
    }
    for chain_id in ["0", "-1", "\"1\"", "9223372036854775808", "null"] {
        let found = Filter::from_json(&good.replace("1337", chain_id)).unwrap_err();
        assert!(matches!(found, BadFilter::BadValue { key: "chainID", .. }), "{chain_id}: {found}");
    }
    for exchange in ["0x48", "48bacb9266a570d521063ef5dd96e61686dbe788"] {
        let found = good.replace("0x48bacb9266a570d521063ef5dd96e61686dbe788", exchange);
        let found = Filter::from_json(&found).unwrap_err();
        assert!(matches!(found, BadFilter::BadValue { key: "exchangeAddress", .. }), "{found}");
    }
    assert!(matches!(Filter::from_json("[]"), Err(BadFilter::Missing { .. })));
    let long = "x".repeat(Filter::JSON_MAX + 1);
    assert!(matches!(Filter::from_json(&long), Err(BadFilter::TooLong { .. })));
}

#[test]
fn orders_of_other_networks_do_not_match() {
    let order = order();
    assert!(filter("{}").matches(&order));
    assert!(!Filter::new(Network::MAINNET, "{}").unwrap().matches(&order));
    let elsewhere = Network { chain_id: 1, ..Network::GANACHE };
    assert!(!Filter::new(elsewhere, "{}").unwrap().matches(&order));
}

/// What holds for the order above, and what does not.
const MATCHES: [&str; 44] = [
    r"true",
    r#"{"type":"object"}"#,
    r#"{"type":["string","object"],"minProperties":17,"maxProperties":17}"#,
    r#"{"required":["chainId","salt","signature"]}"#,
    r#"{"required":[]}"#,
    r#"{"minLength":1000,"pattern":"x","minimum":7,"minItems":3}"#,
    r#"{"properties":{"makerAssetData":{"pattern":".*871dd7c2b4b25e1aa18728e9d5f2af4c4e431f5c"}}}"#,
    r#"{"properties":{"makerAssetData":{"pattern":"^0xf47261b0"},"nothing":{"const":1}}}"#,
    r#"{"properties":{"makerAddress":{"const":"0x5409ed021d9299bf6814279a6a1411a7e866a631"}}}"#,
    r#"{"properties":{"makerAddress":{"enum":["b",1,"0x5409ed021d9299bf6814279a6a1411a7e866a631","a"]}}}"#,
    r#"{"properties":{"makerAddress":{"minLength":42,"maxLength":42}}}"#,
    r#"{"properties":{"makerAssetAmount":{"type":"string","pattern":"^1(00)+$","minimum":5}}}"#,
    r#"{"properties":{"chainId":{"type":"integer","minimum":1337,"maximum":1337}}}"#,
    r#"{"properties":{"chainId":{"type":"number","exclusiveMinimum":1336,"exclusiveMaximum":1338}}}"#,
    r#"{"properties":{"chainId":{"exclusiveMinimum":true,"minimum":1336,"maximum":1337,"exclusiveMaximum":false}}}"#,
    r#"{"properties":{"chainId":{"multipleOf":7,"minLength":50,"pattern":"x"}}}"#,
    r#"{"properties":{"chainId":{"enum":["1337",1337]}}}"#,
    r#"{"properties":{"chainId":{"const":1337}}}"#,
    r#"{"additionalProperties":true}"#,
    r#"{"properties":{"chainId":{}},"additionalProperties":{"type":"string"}}"#,
    r#"{"patternProperties":{"Address$":{"pattern":"^0x[0-9a-f]{40}$"}}}"#,
    r#"{"patternProperties":{"^chain":{"type":"integer"},"^[^c]":{"type":"string"}},"additionalProperties":false}"#,
    r#"{"allOf":[{},{"required":["salt"]}]}"#,
    r#"{"anyOf":[{"required":["nothing"]},{"properties":{"salt":{"pattern":"0$"}}}]}"#,
    r#"{"oneOf":[{"properties":{"salt":{"pattern":"1$"}}},{"properties":{"salt":{"pattern":"0$"}}}]}"#,
    r#"{"not":{"properties":{"salt":{"pattern":"1$"}}}}"#,
    r#"{"not":{"not":{"properties":{"salt":{"pattern":"0$"}}}}}"#,
    r#"{"not":false}"#,
    r#"{"if":{"properties":{"takerFee":{"const":"0"}}},"then":{"required":["salt"]},"else":false}"#,
    r#"{"if":{"properties":{"takerFee":{"const":"1"}}},"then":false}"#,
    r#"{"if":{"properties":{"takerFee":{"const":"1"}}},"then":{"properties":{"salt":{"const":"5"}}},"else":{"properties":{"salt":{"pattern":"^15"}}}}"#,
    r#"{"then":false}"#,
    r#"{"properties":{"makerFeeAssetData":{"const":"0x"},"signature":{"pattern":"02$","minLength":134,"maxLength":134}}}"#,
    r##"{"definitions":{"token":{"pattern":"871dd7"}},"anyOf":[{"properties":{"makerAssetData":{"$ref":"#/definitions/token"}}},{"properties":{"takerAssetData":{"$ref":"#/definitions/token"}}}]}"##,
    r##"{"$defs":{"a":{"$ref":"#/$defs/b","title":"x"},"b":{"type":"object"}},"$ref":"#/$defs/a"}"##,
    r#"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"/a","title":"t","description":"d","default":{"a":[1]},"examples":[1],"$comment":"c"}"#,
    r#"{"items":{"type":"string"},"maxItems":0,"uniqueItems":true}"#,
    r#"{"items":[{"type":"string"}]}"#,
    r#"{"enum":[1,{"a":1}],"not":true,"properties":{"a":{}}}"#,
    r#"{"const":5}"#,
    r#"{"type":"string"}"#,
    r#"{"type":["null","array","boolean"]}"#,
    r#"{"properties":{"salt":{"type":"integer"}}}"#,
    r#"{"properties":{"chainId":{"type":"string"}}}"#,
];

/// How many of them match; the others do not.
const MATCHING: usize = 38;

#[test]
fn each_keyword_means_what_json_schema_says() {
    let order = order();
    for (index, schema) in MATCHES.into_iter().enumerate() {
        let (matching, negated) = (filter(schema), format!(r#"{{"not":{schema}}}"#));
        assert_eq!(matching.matches(&order), index < MATCHING, "{schema}");
        // References are to definitions of the root, so these cannot be put into another schema.
        if !schema.contains("$ref") && !schema.contains("$id") {
            assert_eq!(filter(&negated).matches(&order), index >= MATCHING, "{negated}");
        }
    }
}

#[test]
fn what_does_not_hold_does_not_match() {
    let order = order();
    for schema in [
        r"false",
        r#"{"required":["salt","nothing"]}"#,
        r#"{"minProperties":18}"#,
        r#"{"maxProperties":16}"#,
        r#"{"properties":{"senderAddress":{"pattern":"ba5eba11"}}}"#,
        r#"{"properties":{"makerAddress":{"minLength":43}}}"#,
        r#"{"properties":{"makerAddress":{"maxLength":41}}}"#,
        r#"{"properties":{"makerAddress":{"const":"0x5409ED021D9299bf6814279A6A1411A7e866A631"}}}"#,
        r#"{"properties":{"chainId":{"minimum":1338}}}"#,
        r#"{"properties":{"chainId":{"exclusiveMinimum":1337}}}"#,
        r#"{"properties":{"chainId":{"exclusiveMaximum":true,"maximum":1337}}}"#,
        r#"{"properties":{"chainId":{"multipleOf":2}}}"#,
        r#"{"properties":{"chainId":{"const":"1337"}}}"#,
        r#"{"additionalProperties":false}"#,
        r#"{"additionalProperties":{"type":"string"}}"#,
        r#"{"patternProperties":{"a":{"type":"string"}},"additionalProperties":false}"#,
        r#"{"oneOf":[true,{"required":["salt"]}]}"#,
        r#"{"oneOf":[false,false]}"#,
        r#"{"anyOf":[false,{"required":["nothing"]}]}"#,
        r#"{"if":true,"then":false}"#,
        r#"{"if":false,"else":false}"#,
    ] {
        assert!(!filter(schema).matches(&order), "{schema}");
    }
}

#[test]
fn an_order_can_be_named_whole() {
    let order = order();
    let schema = format!(r#"{{"enum":[1,{{"salt":"1"}},{}]}}"#, order.to_json());
    assert!(filter(&schema).matches(&order));
    let mut other = order.clone();
    other.order.salt += crate::U256::from(1);
    assert!(!filter(&schema).matches(&other));
    assert!(!filter(&schema.replace("chainId", "chainid")).matches(&order));
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for keyword in [
        "format",
        "$dynamicRef",
        "$recursiveRef",
        "$anchor",
        "propertyNames",
        "dependencies",
        "dependentSchemas",
        "contains",
        "additionalItems",
        "prefixItems",
        "unevaluatedProperties",
        "extends",
        "disallow",
        "Pattern",
        "contentEncoding",
    ] {
        let unknown = BadFilter::UnknownKeyword { keyword: keyword.into() };
        assert_eq!(refusal(&format!(r#"{{"{keyword}":{{}}}}"#)), unknown);
        // Also where no order will ever reach it.
        let hidden = format!(r#"{{"properties":{{"x":{{"items":{{"{keyword}":{{}}}}}}}}}}"#);
        assert_eq!(refusal(&hidden), unknown);
        let unused = format!(r#"{{"definitions":{{"x":{{"{keyword}":{{}}}}}}}}"#);
        assert_eq!(refusal(&unused), unknown);
    }
    let nested = BadFilter::UnknownKeyword { keyword: "definitions".into() };
    assert_eq!(refusal(r#"{"not":{"definitions":{}}}"#), nested);
}

#[test]
fn malformed_keywords_are_refused_by_name() {
    for (keyword, values) in [
        ("type", &["1", "[]", "\"text\"", "[1]", "{}"][..]),
        ("enum", &["[]", "1", "{}"]),
        ("required", &["true", "\"salt\"", "[1]"]),
        ("pattern", &["1", "[]"]),
        ("properties", &["[]", "true"]),
        ("patternProperties", &["[]", "1"]),
        ("additionalProperties", &["1", "\"x\""]),
        ("minLength", &["-1", "\"1\"", "null"]),
        ("maxProperties", &["-1", "[]"]),
        ("multipleOf", &["0", "-1", "\"1\""]),
        ("exclusiveMinimum", &["true", "\"1\""]),
        ("uniqueItems", &["1"]),
        ("allOf", &["[]", "{}", "[1]"]),
        ("anyOf", &["[]", "[[]]"]),
        ("oneOf", &["[]", "null"]),
        ("not", &["1", "[]"]),
        ("if", &["1"]),
        ("items", &["1", "[1]"]),
        ("definitions", &["1", "{\"a\":1}"]),
        ("$ref", &["1", "{}"]),
    ] {
        for value in values {
            let schema = format!(r#"{{"{keyword}":{value}}}"#);
            let found = refusal(&schema);
            assert!(
                matches!(found, BadFilter::BadKeyword { keyword: named, .. } if named == keyword),
                "{schema}: {found}"
            );
        }
    }
    assert!(matches!(refusal("[]"), BadFilter::BadKeyword { keyword: "schema", .. }));
    assert!(matches!(refusal(r#"{"minimum":1.5}"#), BadFilter::NotAnInteger));
}

#[test]
fn references_are_local_alone_and_not_recursive() {
    for reference in [
        "http://example.org/schema",
        "#",
        "#/definitions/none",
        "#/properties/salt",
        "#a",
        "",
        "other.json#/definitions/a",
        "#/definitions/a~1b",
        "#/definitions/a%20b",
    ] {
        let schema = format!(
            r#"{{"definitions":{{"a~1b":{{}},"a%20b":{{}}}},"not":{{"$ref":"{reference}"}}}}"#
        );
        assert_eq!(refusal(&schema), BadFilter::BadReference { reference: reference.into() });
    }
    let recursive = BadFilter::Recursive { reference: "#/$defs/a".into() };
    assert_eq!(refusal(r##"{"$defs":{"a":{"not":{"$ref":"#/$defs/a"}}}}"##), recursive);
    let through = r##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"not":{"$ref":"#/$defs/a"}}}}"##;
    assert!(matches!(refusal(through), BadFilter::Recursive { .. }));
    let beside = r##"{"$defs":{"a":{}},"$ref":"#/$defs/a","required":[]}"##;
    let not_alone = BadFilter::ReferenceNotAlone { reference: "#/$defs/a".into() };
    assert_eq!(refusal(beside), not_alone);
}

#[test]
fn every_cost_is_bounded_before_the_first_order() {
    // Length and depth of the text.
    let long = format!("{{{}}}", " ".repeat(Filter::SCHEMA_MAX));
    assert!(matches!(refusal(&long), BadFilter::SchemaTooLong { .. }));
    let nest = |levels: usize| format!("{}{{}}{}", r#"{"not":"#.repeat(levels), "}".repeat(levels));
    assert!(Filter::new(Network::GANACHE, &nest(Filter::DEPTH_MAX - 1)).is_ok());
    assert_eq!(refusal(&nest(Filter::DEPTH_MAX)), BadFilter::TooDeep { bound: Filter::DEPTH_MAX });
    // Definitions that double at every level, and ones that follow each other like beads.
    let chain = |levels: usize, link: &dyn Fn(usize) -> String| {
        let links: Vec<_> = (0..levels).map(|at| format!(r#""{at}":{}"#, link(at + 1))).collect();
        let definitions = links.join(",");
        format!(r##"{{"$defs":{{{definitions},"{levels}":{{}}}},"$ref":"#/$defs/0"}}"##)
    };
    let double = chain(20, &|next| {
        format!(r##"{{"allOf":[{{"$ref":"#/$defs/{next}"}},{{"$ref":"#/$defs/{next}"}}]}}"##)
    });
    assert!(matches!(
        refusal(&double),
        BadFilter::TooManyChecks { .. } | BadFilter::TooDeep { .. }
    ));
    let beads = chain(200, &|next| format!(r##"{{"$ref":"#/$defs/{next}"}}"##));
    assert_eq!(refusal(&beads), BadFilter::TooDeep { bound: Filter::DEPTH_MAX });
    // Long lists, read again for every reference.
    let list = r#""salt","#.repeat(500);
    let again = r##"{"$ref":"#/$defs/a"},"##.repeat(400);
    let lists =
        format!(r#"{{"$defs":{{"a":{{"required":[{list}"salt"]}}}},"allOf":[{again}true]}}"#);
    assert!(matches!(refusal(&lists), BadFilter::TooManyChecks { .. }));
    // Too many patterns, too large ones, too many large ones.
    let patterns = |count: usize, pattern: &dyn Fn(usize) -> String| {
        let all: Vec<_> = (0..count)
            .map(|at| format!(r#"{{"properties":{{"salt":{{"pattern":"{}"}}}}}}"#, pattern(at)))
            .collect();
        format!(r#"{{"anyOf":[{}]}}"#, all.join(","))
    };
    let many = patterns(Filter::PATTERNS_MAX + 1, &|at| format!("{at}"));
    assert!(matches!(refusal(&many), BadFilter::TooManyPatterns { .. }));
    let large = patterns(1, &|_| "[01]*1[01]{25}".into());
    assert!(matches!(
        refusal(&large),
        BadFilter::BadPattern { defect: PatternDefect::TooLarge, .. }
    ));
    let many_large = patterns(100, &|at| format!("[01]*1[01]{{10}}{at}"));
    let found = refusal(&many_large);
    assert!(
        matches!(found, BadFilter::BadPattern { defect: PatternDefect::TooLarge, .. }),
        "{found}"
    );
    // Many patterns over fields that may be long.
    let costly = patterns(128, &|at| format!("{at}")).replace("salt", "makerAssetData");
    let once = Filter::new(Network::GANACHE, &costly).unwrap();
    assert!(once.steps() > 128 * 16_000);
    let part = costly.trim_start_matches('{').trim_end_matches('}');
    let twice = format!(
        r##"{{"$defs":{{"a":{{{part}}}}},"allOf":[{{"$ref":"#/$defs/a"}},{{"$ref":"#/$defs/a"}}]}}"##
    );
    assert!(matches!(refusal(&twice), BadFilter::TooCostly { .. }));
    // What was taken keeps no more than it says.
    assert!(once.memory() < Filter::MEMORY_MAX + 3 * Filter::SCHEMA_MAX);
}

#[test]
fn the_price_of_an_order_follows_what_there_is_to_read() {
    let (short, costly) = (order(), r#"{"properties":{"makerFeeAssetData":{"allOf":[CHECKS]}}}"#);
    let checks: Vec<_> = (0..100).map(|at| format!(r#"{{"pattern":"z{at}"}}"#)).collect();
    let costly = filter(&costly.replace("CHECKS", &checks.join(",")));
    let mut long = short.clone();
    long.order.maker_fee_asset_data = vec![7; 7_000].into();
    assert!(costly.price(&short) < 2_000, "{}", costly.price(&short));
    assert!((1_400_000..1_500_000).contains(&costly.price(&long)), "{}", costly.price(&long));
    // To ask for the length of a text it has to be written.
    let length = filter(r#"{"properties":{"makerFeeAssetData":{"maxLength":3}}}"#);
    assert!((14_000..15_000).contains(&length.price(&long)), "{}", length.price(&long));
    assert_eq!(filter("{}").price(&long), 6);
    for schema in MATCHES {
        let filter = filter(schema);
        assert!(filter.price(&long) <= 8 * filter.steps() + 16 * crate::ORDER_LEN_MAX, "{schema}");
    }
}

#[test]
fn errors_quote_only_the_start_of_what_a_remote_wrote() {
    let name = "x".repeat(10_000);
    for schema in [
        format!(r#"{{"{name}":1}}"#),
        format!(r#"{{"{name}":1,"{name}":1}}"#),
        format!(r#"{{"pattern":"({name}"}}"#),
        format!(r#"{{"$ref":"{name}"}}"#),
    ] {
        assert!(refusal(&schema).to_string().len() < 200, "{}", refusal(&schema));
    }
}

proptest! {
    #[test]
    fn changed_schemas_are_refused_or_cost_no_more_than_they_may(
        which in 0..MATCHES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~]"), 0..5),
    ) {
        let mut letters: Vec<char> = MATCHES[which].chars().collect();
        for (at, letter) in changes {
            let at = at.index(letters.len());
            letters[at] = letter.chars().next().unwrap_or(' ');
        }
        let schema: String = letters.into_iter().collect();
        if let Ok(filter) = Filter::new(Network::GANACHE, &schema) {
            prop_assert!(filter.steps() <= Filter::STEPS_MAX);
            let again = Filter::from_json(&filter.to_json()).unwrap();
            prop_assert_eq!(again.matches(&order()), filter.matches(&order()));
        }
    }
}
