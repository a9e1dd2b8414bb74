//! JSON that is no order, and what is said of it.

use meshwork_orders::{BadHex, Defect, OrderError, v3, v4};

use crate::common::{V3_C, V4_C};

const ADDRESSES: [&str; 5] =
    ["exchangeAddress", "makerAddress", "takerAddress", "senderAddress", "feeRecipientAddress"];
const DATA: [&str; 5] =
    ["makerAssetData", "makerFeeAssetData", "takerAssetData", "takerFeeAssetData", "signature"];
const NUMBERS: [&str; 6] = [
    "makerAssetAmount",
    "makerFee",
    "takerAssetAmount",
    "takerFee",
    "expirationTimeSeconds",
    "salt",
];

/// `json` with the value of `key` replaced by what stands in `value`.
fn with(json: &str, key: &str, value: &str) -> String {
    let start = json.find(&format!("\"{key}\":")).unwrap() + key.len() + 3;
    let len = json[start..].find([',', '}']).unwrap();
    format!("{}{value}{}", &json[..start], &json[start + len..])
}

fn v3_defect(json: &str) -> (&'static str, Defect) {
    match v3::SignedOrder::from_json(json) {
        Err(OrderError::Field { field, defect }) => (field, defect),
        other => panic!("{json}: {other:?}"),
    }
}

fn v4_defect(json: &str) -> (&'static str, Defect) {
    match v4::SignedOrder::from_json(json) {
        Err(OrderError::Field { field, defect }) => (field, defect),
        other => panic!("{json}: {other:?}"),
    }
}

fn check_v3(key: &str, value: &str, defect: Defect) {
    let (field, found) = v3_defect(&with(V3_C, key, value));
    assert_eq!((field, found), (key, defect), "{value}");
}

fn check_v4(key: &str, value: &str, defect: Defect) {
    let (field, found) = v4_defect(&with(V4_C, key, value));
    assert_eq!((field, found), (key, defect), "{value}");
}

#[test]
fn every_key_must_be_there_once_and_spelled_so() {
    for (json, defect) in [(V3_C, v3_defect as fn(&str) -> _), (V4_C, v4_defect)] {
        let fields: serde_json::Value = serde_json::from_str(json).unwrap();
        for (key, value) in fields.as_object().unwrap() {
            let mut less = fields.as_object().unwrap().clone();
            less.remove(key);
            let less = serde_json::Value::Object(less).to_string();
            assert_eq!(defect(&less), (key.as_str(), Defect::Missing));
            let null = with(json, key, "null");
            assert_eq!(defect(&null), (key.as_str(), Defect::Null));
            let twice = json.replacen('{', &format!("{{\"{key}\":{value},"), 1);
            assert_eq!(defect(&twice), (key.as_str(), Defect::Duplicate));
            let escaped = format!("\\u{:04x}{}", key.as_bytes()[0], &key[1..]);
            let twice = json.replacen('{', &format!("{{\"{escaped}\":{value},"), 1);
            assert_eq!(defect(&twice), (key.as_str(), Defect::Duplicate));
            for other in [key.to_uppercase(), key.replace('s', "ſ"), key.replace('k', "\u{212a}")]
            {
                if other == *key {
                    continue;
                }
                let beside = json.replacen('{', &format!("{{\"{other}\":{value},"), 1);
                assert_eq!(defect(&beside), (key.as_str(), Defect::Spelling));
                let instead = json.replace(&format!("\"{key}\":"), &format!("\"{other}\":"));
                assert_eq!(defect(&instead), (key.as_str(), Defect::Spelling));
            }
        }
    }
}

#[test]
fn chains_are_positive_whole_numbers_of_63_bits() {
    let values = [
        "0",
        "-1",
        "-0",
        "1.0",
        "1.5",
        "1e3",
        "\"1337\"",
        "9223372036854775808",
        "18446744073709551616",
        "true",
        "[1]",
        "{\"a\":1}",
    ];
    for value in values {
        check_v3("chainId", value, Defect::NotChainId);
        check_v4("chainId", value, Defect::NotChainId);
    }
    let most = with(V3_C, "chainId", "9223372036854775807");
    assert_eq!(v3::SignedOrder::from_json(&most).unwrap().to_json(), most);
    for value in ["01", "+1", "0x1", ".5", "1."] {
        let error = v3::SignedOrder::from_json(with(V3_C, "chainId", value)).unwrap_err();
        assert!(matches!(error, OrderError::Syntax { line: 1, .. }), "{value}: {error}");
    }
}

#[test]
fn addresses_are_twenty_bytes_of_hexadecimal_text() {
    let digits = "48bacb9266a570d521063ef5dd96e61686dbe788";
    for key in ADDRESSES {
        check_v3(key, "1", Defect::NotText);
        check_v3(key, "[]", Defect::NotText);
        check_v3(key, "\"\"", Defect::Hex(BadHex::NoPrefix));
        check_v3(key, &format!("\"{digits}\""), Defect::Hex(BadHex::NoPrefix));
        check_v3(key, &format!("\"0X{digits}\""), Defect::Hex(BadHex::NoPrefix));
        check_v3(key, &format!("\" 0x{digits}\""), Defect::Hex(BadHex::NoPrefix));
        check_v3(key, "\"0x\"", Defect::Hex(BadHex::Length { len: 0, expected: 20 }));
        check_v3(key, &format!("\"0x{}\"", &digits[1..]), Defect::Hex(BadHex::OddHex));
        check_v3(
            key,
            &format!("\"0x{}\"", &digits[2..]),
            Defect::Hex(BadHex::Length { len: 19, expected: 20 }),
        );
        check_v3(
            key,
            &format!("\"0x{digits}00\""),
            Defect::Hex(BadHex::Length { len: 21, expected: 20 }),
        );
        check_v3(key, &format!("\"0x{}\"", digits.replace('b', "g")), Defect::Hex(BadHex::NotHex));
    }
    let words = ["pool", "signatureR", "signatureS"];
    for key in words {
        check_v4(key, "\"0x00\"", Defect::Hex(BadHex::Length { len: 1, expected: 32 }));
        check_v4(key, "\"00\"", Defect::Hex(BadHex::NoPrefix));
        check_v4(key, "0", Defect::NotText);
    }
}

#[test]
fn data_is_whole_bytes_of_hexadecimal_text() {
    for key in DATA {
        check_v3(key, "0", Defect::NotText);
        check_v3(key, "false", Defect::NotText);
        check_v3(key, "\"\"", Defect::Hex(BadHex::NoPrefix));
        check_v3(key, "\"f47261b0\"", Defect::Hex(BadHex::NoPrefix));
        check_v3(key, "\"0xf47261b\"", Defect::Hex(BadHex::OddHex));
        check_v3(key, "\"0xf47261bg\"", Defect::Hex(BadHex::NotHex));
        check_v3(key, "\"0xf4 7261b0\"", Defect::Hex(BadHex::OddHex));
        check_v3(key, "\"0xf4  7261b0\"", Defect::Hex(BadHex::NotHex));
    }
}

#[test]
fn amounts_are_decimal_text_of_256_bits() {
    let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
    for key in NUMBERS {
        check_v3(key, "1", Defect::NotText);
        check_v3(key, "1e3", Defect::NotText);
        check_v3(key, "\"\"", Defect::NotDecimal);
        check_v3(key, "\"0x10\"", Defect::NotDecimal);
        check_v3(key, "\"+1\"", Defect::NotDecimal);
        check_v3(key, "\"-1\"", Defect::NotDecimal);
        check_v3(key, "\"1.0\"", Defect::NotDecimal);
        check_v3(key, "\"1e3\"", Defect::NotDecimal);
        check_v3(key, "\" 1\"", Defect::NotDecimal);
        check_v3(key, "\"01\"", Defect::LeadingZero);
        check_v3(key, "\"00\"", Defect::LeadingZero);
        check_v3(key, &format!("\"{over}\""), Defect::TooLarge { bits: 256 });
    }
}

#[test]
fn v4_amounts_have_their_own_bounds() {
    let over_128 = "\"340282366920938463463374607431768211456\"";
    for key in ["makerAmount", "takerAmount", "takerTokenFeeAmount"] {
        check_v4(key, over_128, Defect::TooLarge { bits: 128 });
        check_v4(key, "\"01\"", Defect::LeadingZero);
        check_v4(key, "1", Defect::NotText);
    }
    check_v4("expiry", "\"18446744073709551616\"", Defect::TooLarge { bits: 64 });
    check_v4("signatureType", "\"256\"", Defect::TooLarge { bits: 8 });
    check_v4("signatureV", "\"256\"", Defect::TooLarge { bits: 8 });
    check_v4("signatureV", "28", Defect::NotText);
    check_v4("signatureV", "\"0x1c\"", Defect::NotDecimal);
}

#[test]
fn what_is_not_one_object_is_refused() {
    let cut = (0..V3_C.len()).map(|end| V3_C[..end].to_owned());
    let others = [
        "null".to_owned(),
        "[]".to_owned(),
        "\"order\"".to_owned(),
        format!("{V3_C}x"),
        format!("{V3_C}{V3_C}"),
        format!("[{V3_C}]"),
        format!("\u{feff}{V3_C}"),
        V3_C.replace("\"salt\"", "salt"),
        V3_C.replacen('}', ",}", 1),
    ];
    for json in cut.chain(others) {
        let error = v3::SignedOrder::from_json(&json).unwrap_err();
        assert!(matches!(error, OrderError::Syntax { .. }), "{error}: {json}");
    }
    let error = v3::SignedOrder::from_json(b"{\"salt\":\"\xff\"}").unwrap_err();
    assert_eq!(error, OrderError::Syntax { line: 0, column: 10 });
}

#[test]
fn depth_costs_nothing() {
    let deep = format!("{}{}", "[".repeat(15_000), "]".repeat(15_000));
    assert_eq!(v3_defect(&with(V3_C, "salt", &deep)), ("salt", Defect::NotText));
    let beside = V3_C.replacen('{', &format!("{{\"x\":{deep},"), 1);
    assert_eq!(v3::SignedOrder::from_json(beside).unwrap().to_json(), V3_C);
}

#[test]
fn errors_read_well() {
    let error = |json: &str| v3::SignedOrder::from_json(json).unwrap_err().to_string();
    assert_eq!(error(&with(V3_C, "salt", "\"0x1\"")), "salt is not decimal digits");
    assert_eq!(
        error(&with(V3_C, "takerAddress", "\"0x00\"")),
        "takerAddress is 1 bytes, must be 20"
    );
    assert_eq!(error("[]"), "order is not one JSON object: wrong at line 1, column 0");
    assert_eq!(error("{\"salt\":\n!"), "order is not one JSON object: wrong at line 2, column 1");
}
