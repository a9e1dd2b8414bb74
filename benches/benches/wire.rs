//! What the scan before decoding costs: bounded decoding beside bare prost on the same bytes.
//!
//! `cargo bench -p meshwork-benches --bench wire`

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use wire::bounds::{self, Bounded};
use wire::proto::{handshake, seed};

fn version() -> handshake::v1::Version {
    let feature = |n: u32| handshake::v1::Feature { name: format!("feature-{n}"), version: n };
    handshake::v1::Version {
        network: "meshwork-dev".to_owned(),
        application: "meshwork".to_owned(),
        agent: "meshwork/0.1.0".to_owned(),
        major: 1,
        nonce: 7,
        features: (0..8).map(feature).collect(),
        record: vec![1; 200].into(),
        ..Default::default()
    }
}

fn addrs() -> seed::v1::Addrs {
    seed::v1::Addrs { nonce: 7, records: (0..64).map(|_| vec![1; 200].into()).collect() }
}

fn compare<P: Bounded>(criterion: &mut Criterion, name: &str, message: &P) {
    let bytes = Bytes::from(message.encode_to_vec());
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(bytes.len().try_into().unwrap_or(u64::MAX)));
    group.bench_function("bounded", |bencher| {
        bencher.iter(|| bounds::decode::<P>(black_box(bytes.clone())));
    });
    group.bench_function("prost", |bencher| {
        bencher.iter(|| <P as Message>::decode(black_box(bytes.clone())));
    });
    group.finish();
}

fn decode(criterion: &mut Criterion) {
    compare(criterion, "decode/version", &version());
    compare(criterion, "decode/addrs_of_64", &addrs());
}

criterion_group!(benches, decode);
criterion_main!(benches);
