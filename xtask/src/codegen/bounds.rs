//! Tables of bounds, read from the options in the proto files.

use anyhow::{Context as _, bail, ensure};
use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor,
};

use super::Home;

/// The options of `proto/meshwork/options`.
struct Options {
    field: ExtensionDescriptor,
    message: ExtensionDescriptor,
}

/// Generates `impl Bounded` for each message that travels between nodes.
pub(super) fn generate(pool: &DescriptorPool) -> anyhow::Result<String> {
    let option = |name: &str| {
        pool.get_extension_by_name(&format!("meshwork.options.v1.{name}"))
            .with_context(|| format!("option {name} is not declared"))
    };
    let options = Options { field: option("bounds")?, message: option("len_max")? };
    let mut messages: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| Home::of(message.package_name()) == Some(Home::Wire))
        .collect();
    messages.sort_by(|a, b| a.full_name().cmp(b.full_name()));

    let mut code = String::from("use crate::bounds::{Bounded, Field, Schema, Shape};\n\n");
    for message in messages {
        let table =
            options.table(&message).with_context(|| format!("message {}", message.full_name()))?;
        code += &table;
    }
    Ok(code)
}

impl Options {
    fn table(&self, message: &MessageDescriptor) -> anyhow::Result<String> {
        ensure!(message.parent_message().is_none(), "nested messages and maps have no bounds");
        ensure!(!holds_itself(message), "a message that holds itself has no bound");
        let len_max = number(&message.options(), &self.message);
        ensure!(len_max > 0, "option len_max is missing");

        let mut slots: Vec<String> = Vec::new();
        let mut fields = String::new();
        for field in message.fields() {
            let name = match field.containing_oneof() {
                Some(oneof) => oneof.full_name().to_owned(),
                None => field.full_name().to_owned(),
            };
            let slot = slots.iter().position(|taken| *taken == name).unwrap_or_else(|| {
                slots.push(name);
                slots.len() - 1
            });
            fields +=
                &self.field(&field, slot).with_context(|| format!("field {}", field.name()))?;
        }
        let path = rust_path(message);
        Ok(format!(
            "impl Bounded for {path} {{\n\
             const SCHEMA: &'static Schema = \
             &Schema::new({:?}, {}, size_of::<Self>(), &[{fields}]);\n}}\n\n",
            snake(message.name()),
            grouped(len_max),
        ))
    }

    fn field(&self, field: &FieldDescriptor, slot: usize) -> anyhow::Result<String> {
        let bounds = field.options();
        let bounds = bounds.get_extension(&self.field);
        let bounds = bounds.as_message().context("option bounds is not a message")?;
        let bound = |name: &str| {
            bounds.get_field_by_name(name).and_then(|value| value.as_u32()).unwrap_or_default()
        };
        let (len_max, count_max) = (bound("len_max"), bound("count_max"));
        ensure!(field.is_list() == (count_max > 0), "count_max is for each repeated field");
        let has_len = matches!(field.kind(), Kind::String | Kind::Bytes);
        ensure!(has_len == (len_max > 0), "len_max is for each string and bytes field");

        let path = format!("{}.{}", snake(field.parent_message().name()), field.name());
        let count_max =
            if field.is_list() { format!("Some({})", grouped(count_max)) } else { "None".into() };
        Ok(format!(
            "Field {{ number: {}, path: {path:?}, slot: {slot}, count_max: {count_max}, \
             shape: {} }},",
            field.number(),
            shape(&field.kind(), len_max)?,
        ))
    }
}

/// How a value of this kind looks on the wire, as an expression of type `Shape`.
fn shape(kind: &Kind, len_max: u32) -> anyhow::Result<String> {
    let len_max = grouped(len_max);
    Ok(match kind {
        Kind::Bool => "Shape::Varint { max: 1, size: size_of::<bool>() }".into(),
        Kind::Uint32 => "Shape::Varint { max: 0xffff_ffff, size: size_of::<u32>() }".into(),
        Kind::Uint64 | Kind::Sint64 => {
            "Shape::Varint { max: u64::MAX, size: size_of::<u64>() }".into()
        }
        Kind::Enum(_) => "Shape::Varint { max: 0x7fff_ffff, size: size_of::<i32>() }".into(),
        Kind::Fixed32 => "Shape::Fixed32".into(),
        Kind::Fixed64 => "Shape::Fixed64".into(),
        Kind::String => format!("Shape::Text {{ len_max: {len_max} }}"),
        Kind::Bytes => format!("Shape::Bytes {{ len_max: {len_max} }}"),
        Kind::Message(message) => {
            format!("Shape::Message(<{} as Bounded>::SCHEMA)", rust_path(message))
        }
        other => bail!("no message between nodes has used a {other:?} yet; add its shape here"),
    })
}

/// Whether `message` can contain another of its kind, at any depth.
fn holds_itself(message: &MessageDescriptor) -> bool {
    fn reach(from: &MessageDescriptor, seen: &mut Vec<MessageDescriptor>) {
        for field in from.fields() {
            if let Kind::Message(next) = field.kind()
                && !seen.contains(&next)
            {
                seen.push(next.clone());
                reach(&next, seen);
            }
        }
    }
    let mut seen = Vec::new();
    reach(message, &mut seen);
    seen.contains(message)
}

fn number(options: &DynamicMessage, extension: &ExtensionDescriptor) -> u32 {
    options.get_extension(extension).as_u32().unwrap_or_default()
}

/// `meshwork.seed.v1.Addrs` is `super::seed::v1::Addrs` for the file beside it.
fn rust_path(message: &MessageDescriptor) -> String {
    let package = message.package_name().trim_start_matches("meshwork.").replace('.', "::");
    format!("super::{package}::{}", message.name())
}

/// `PeerRecord` is `peer_record`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `1048576` is `1_048_576`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Compiles one message beside the real options and returns its tables.
    fn tables(message: &str) -> anyhow::Result<String> {
        let dir = tempfile::tempdir()?;
        let real = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto");
        let text = format!(
            "syntax = \"proto3\";\npackage meshwork.test.v1;\n\
             import \"meshwork/options/v1/bounds.proto\";\n{message}"
        );
        fs::write(dir.path().join("test.proto"), text)?;
        let mut compiler = protox::Compiler::new([dir.path(), real.as_ref()])?;
        compiler.include_imports(true).open_file("test.proto")?;
        generate(&compiler.descriptor_pool())
    }

    fn refusal(message: &str) -> String {
        format!("{:#}", tables(message).expect_err("must be refused"))
    }

    #[test]
    fn every_bound_reaches_the_table() {
        let text = tables(
            "message OneTwo { option (meshwork.options.v1.len_max) = 12345;
             repeated string names = 7 [(meshwork.options.v1.bounds) = {len_max: 16 count_max: 3}];
             oneof either { bool yes = 8; fixed32 no = 9; } }",
        )
        .unwrap();
        let text: String = text.split_whitespace().collect();
        for part in [
            "implBoundedforsuper::test::v1::OneTwo",
            "&Schema::new(\"one_two\",12_345,size_of::<Self>()",
            "number:7,path:\"one_two.names\",slot:0,count_max:Some(3),shape:Shape::Text{len_max:16}",
            "number:8,path:\"one_two.yes\",slot:1,count_max:None",
            "number:9,path:\"one_two.no\",slot:1,count_max:None,shape:Shape::Fixed32",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[test]
    fn a_message_that_leaves_a_bound_out_is_refused() {
        const LEN: &str = "option (meshwork.options.v1.len_max) = 9;";
        for (message, reason) in [
            ("message M { bool b = 1; }".to_owned(), "option len_max is missing"),
            (format!("message M {{ {LEN} string s = 1; }}"), "len_max is for each string"),
            (
                format!("message M {{ {LEN} repeated bool b = 1; }}"),
                "count_max is for each repeated",
            ),
            (format!("message M {{ {LEN} M m = 1; }}"), "holds itself"),
            (format!("message M {{ {LEN} message N {{ {LEN} }} }}"), "nested messages and maps"),
            (format!("message M {{ {LEN} float f = 1; }}"), "add its shape here"),
        ] {
            let refusal = refusal(&message);
            assert!(refusal.contains(reason), "{message} is refused with {refusal}");
        }
    }

    #[test]
    fn long_numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1_000"), (1_048_576, "1_048_576")] {
            assert_eq!(grouped(number), text);
        }
    }
}
