//! The published set of tickets of one channel, of which four win and are aggregated.

/// What is known of a ticket, as hexadecimal digits.
pub(crate) struct Row {
    pub(crate) index: u64,
    pub(crate) response: &'static str,
    pub(crate) challenge: &'static str,
    pub(crate) hash: &'static str,
    pub(crate) luck: &'static str,
    pub(crate) wins: bool,
    pub(crate) signature: &'static str,
    pub(crate) output: &'static str,
}

/// The channel.
pub(crate) const CHANNEL: &str = "e7037a7eb3f297bb417bf9cb070b0db8c8fc0f79cfe388cebc7913a850a0f581";

/// The tickets.
pub(crate) const SET: [Row; 8] = [
    Row {
        index: 1,
        response: "08d60636f9ce9d29c56fdfcaeea3ad4f691161bf994682229e1e89b8869f1d5e",
        challenge: "8bd667d5636ab5977630e8b50f6d1d80b5d76541",
        hash: "dd6f9bdbb954922c3b4fb956d7134be722905377b09724ee5c1bbee4bda7d262",
        luck: "368f32912dc8ad",
        wins: true,
        signature: "11f8181aa6b848d8a70b06cf80bf4c95549dbbe6696bcb27c672f78edfec037682e80549b9058b7937227e861d16b750ef42d5e611789a015c24be696a02ab9b",
        output: "03ab5156bb89a9789d914841abcb70899e2a570ad0619a434717e9ec262588511e",
    },
    Row {
        index: 2,
        response: "5c3320d7b61fa57fa2aabd85fbf099d0b9bc8e7d4f8b97f98528bf86fce6c77a",
        challenge: "7afb3de90fddfe8bf46f0f98b2f2cb5bf62416d0",
        hash: "f16d883613f11e837f3a8ba0b1777fdbbf77572f692f331d9b7320aaa964f50d",
        luck: "d7ea422d6db374",
        wins: false,
        signature: "a6fbc06a65535bcdec9d4b05235f7720d51636635819b751ce9e5e29509c5578d9ad21a8dd6dc75cbb0f8561b7dd71f693d5dda06f04a57b4af62347943f5d2b",
        output: "02f36b24cb113b6014eb91ab9c1e35319d821a83308766b694fc278719924e4f8a",
    },
    Row {
        index: 3,
        response: "8fe364fbf71d71fe0717b6750ca710e9ec14140424e9a8cc4146b5eb89484170",
        challenge: "0af59adf7d10fe772c67209e8820b867ebd2c0f0",
        hash: "36c9aeb761107f36fdc840a8a4873841baa712ed74f1ad71b664e81b9554b6b0",
        luck: "efd37df566afb1",
        wins: false,
        signature: "800e41546482c19abc14e2954dcb6e6fe38692be924d161720e169c524d670310c9ccb111b943cdcf3a1844eedd6042c8867983c23ea31d2355b660f41ed5ff8",
        output: "0325894c4db40f6945f568e381e9efd7ed71fb3b79fd97386096dae84722222c99",
    },
    Row {
        index: 4,
        response: "a027efb9ac97397013ea11d19fbcb150c22b01cdc100ef0bc294d7cc2ff46c9c",
        challenge: "6c680d93711e5c9f2e744ad6ce2341f8a5be9f69",
        hash: "50aea25466ac501441faa60e2ef6ba4c72b90b29b18e9b7c0ac2ca2e9ab8d26f",
        luck: "3e692eaba98ca7",
        wins: true,
        signature: "e9eeaf8f6230b0ba30995e60d3c334d6ed8b68442e164470b10601402ac8bac29768bdf3d099ef16abeec536ae5568a24c404590d9d367469ac149a77963713f",
        output: "034320ab7b331607001fe65abd004fe29836044d85a3c50341fb786d12701f89f9",
    },
    Row {
        index: 5,
        response: "d289028fd11b1fccc5ab46239b5be0a8f0f5f29d9317e6d5d19ab170bdb89fce",
        challenge: "563286ab505b10895bf27d0606e7d9b7e5e3c355",
        hash: "8b5002b55e9a3c4969a89bc2048db905036da8e767183e58845ed9bbf7854eaf",
        luck: "239fca7af44020",
        wins: true,
        signature: "155c5cb0bd0584d8fb52ac12dc478fec440a44e509412720feb45f9c0c91cc9619565718d4924512ce427c35fece11ab8767b7ff1b677111f4c8a2d0771a85e1",
        output: "03f16e42d49098d36ef37eb20db5015627b073c251346c429447370abb058285d1",
    },
    Row {
        index: 6,
        response: "2e397d29b7d81d1c4ce08710894e63d12872b7f28f25213f28ba36be39ba516a",
        challenge: "3ea1f599915c416fc8885ec44bf22af65f110873",
        hash: "598ca00456a8d3d6f1817d2fb1a636a0705b8dc6156f2283d1f2166f34d941d5",
        luck: "967122b16b5677",
        wins: false,
        signature: "42b31a3f4d539837b052343fd480a1cc6c489f85a8f2b4e35c71b47ff7ee272c7915492a79e6fb8dce837feb26f7e18c002e25a46073ad92d9c683b8281cb221",
        output: "021ab85e89f2f0cd20eb06520c713b11153b91a02b2ae8ecc7877f9c2dfc5ffa2f",
    },
    Row {
        index: 7,
        response: "2eecf4f135f329194557b37070ff71473c4348c94a14f776cb0223174ba272bd",
        challenge: "3b187aa9d32765ea69cab973c990c85bfad00e68",
        hash: "1e7759dc2291fba680e833b935aee27ff9c7e88f616351ff6b5d27e38023b661",
        luck: "1eb211a36b8ce9",
        wins: true,
        signature: "263ae0830b2fc5db4e43f3e1e3390c908fa1884b7bc086affe1a02ee587cb9c9be172a63bfe4dfb8fc88979ce8534732feecfaa1ab5f5354b6e757f1e78549be",
        output: "02b9e55cdd5d8f258bf026d4b517a7612cfebfe112216abb041655fa84878f96ac",
    },
    Row {
        index: 8,
        response: "6abc6b8900da76edb8ce8a9245334782accfad976f4471dabcb790116a89dd7f",
        challenge: "e4b0f26934866e626cf61eab74cfd161b2cc23d7",
        hash: "58384ad84e274362412a63c6784085c3501714819e771c4fcd0a58749febef60",
        luck: "aae09f46a519d4",
        wins: false,
        signature: "99eeb699fcbac6a6aab4c258a63deab7fc19e24c23de4b1a9a19deb0ea41785495fab68d3e9c9a5ceae300b5262cb6ab11b16131f07cde1f65d415f2fdd8484c",
        output: "02dae88d12187607b3bcc241865ac6ea62028a4944368a936e1c1c8d069b1a1ffa",
    },
];

/// The aggregate of those that win.
pub(crate) const AGGREGATE_BODY: &str = "e7037a7eb3f297bb417bf9cb070b0db8c8fc0f79cfe388cebc7913a850a0f58100000000011c37937e08000000000000000100000007000001ffffffffffffff8bd667d5636ab5977630e8b50f6d1d80b5d76541";
/// Its hash.
pub(crate) const AGGREGATE_HASH: &str =
    "2f95f6f140e687bb329c7e90f181255ce2edad32fae9d8f897dc64b595a53217";
/// Its signature.
pub(crate) const AGGREGATE_SIGNATURE: &str = "b01d831fe5b6f4f98c2d0b5d2daec5eaf4c75ecdfa6000256c40d29c9784aba012fa368d0ae0d2757011fc4711adb01a64144e38113c64b6fd24f7663299f21a";
