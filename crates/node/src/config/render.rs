//! The configuration as a file that explains itself.

use std::fmt::Write;

use super::Config;

/// What stands at the top of a new file.
const PREFACE: &str = "\
# Configuration of a Meshwork node. Every key is here, with its default unless you changed it.
# An option on the command line wins over the environment, the environment over this file:
# `meshwork config show` tells which value is in force and where it came from.
# The variable of a key is MESHWORK_<SECTION>__<KEY>, a list with commas: MESHWORK_NETWORK__SEEDS=a,b
";

/// `config` as a file with every key and its manual.
pub(crate) fn commented(config: &Config) -> String {
    let table = config.table();
    let mut file = PREFACE.to_owned();
    for section in Config::MANUAL {
        file.push('\n');
        comment(&mut file, section.doc);
        push_line(&mut file, format_args!("[{}]", section.name));
        for key in section.keys {
            file.push('\n');
            comment(&mut file, key.doc);
            let value = &table[section.name][key.name];
            push_line(&mut file, format_args!("{} = {value}", key.name));
        }
    }
    file
}

fn comment(file: &mut String, lines: &[&str]) {
    for line in lines {
        push_line(file, format_args!("#{}", line.trim_end()));
    }
}

/// Adds one line.
pub(crate) fn push_line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all that fits in memory");
}
