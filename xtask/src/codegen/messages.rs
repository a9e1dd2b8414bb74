//! Messages and services, one text per protobuf package.

use std::collections::BTreeMap;

use prost_build::Module;
use prost_types::FileDescriptorSet;

use super::services::Services;

/// Generates the code of every package in `descriptors`.
pub(super) fn generate(descriptors: FileDescriptorSet) -> anyhow::Result<BTreeMap<String, String>> {
    let requests = descriptors
        .file
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let modules = prost_build::Config::new()
        .bytes(["."])
        .btree_map(["."])
        .enable_type_names()
        .service_generator(Box::new(Services))
        .generate(requests)?;
    Ok(modules
        .into_iter()
        .map(|(module, code)| (module.parts().collect::<Vec<_>>().join("."), code))
        .collect())
}
