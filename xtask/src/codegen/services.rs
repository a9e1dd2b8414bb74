//! Services: what prost-build reads of them, handed to tonic-build.
//!
//! tonic-prost-build would do the same with a second run of prost-build and its own copies of that
//! one's settings; this adapter keeps one run and one set of settings.

use prost_build::ServiceGenerator;
use tonic_build::{CodeGenBuilder, manual};

/// The codec of every method.
const CODEC: &str = "tonic_prost::ProstCodec";

/// Generates a client and a server for each service.
pub(super) struct Services;

impl ServiceGenerator for Services {
    fn generate(&mut self, service: prost_build::Service, code: &mut String) {
        let service = describe(&service);
        let mut stubs = CodeGenBuilder::new();
        stubs.emit_package(true).build_transport(true);
        code.push_str(&stubs.generate_client(&service, "super").to_string());
        code.push_str(&stubs.generate_server(&service, "super").to_string());
    }
}

fn describe(service: &prost_build::Service) -> manual::Service {
    let mut described =
        manual::Service::builder().name(&service.proto_name).package(&service.package);
    for line in &service.comments.leading {
        described = described.comment(line);
    }
    for method in &service.methods {
        described = described.method(describe_method(method));
    }
    described.build()
}

fn describe_method(method: &prost_build::Method) -> manual::Method {
    let mut described = manual::Method::builder()
        .name(&method.name)
        .route_name(&method.proto_name)
        .input_type(format!("super::{}", method.input_type))
        .output_type(format!("super::{}", method.output_type))
        .codec_path(CODEC);
    for line in &method.comments.leading {
        described = described.comment(line);
    }
    if method.client_streaming {
        described = described.client_streaming();
    }
    if method.server_streaming {
        described = described.server_streaming();
    }
    described.build()
}
