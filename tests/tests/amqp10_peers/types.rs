//! A value of every type of AMQP 1.0 (`tests/data/amqp_types.tsv`), sent by each peer to each: as a
//! body, as an annotation, and, if it is simple, as an application property. What comes has to be
//! the same value of the same type, as far as the peer that reads it can tell.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use harness::{Site, node, python, root, run};

use super::{fe2o3_types, nothing_panicked, proton_cpp, tubepost};

/// A peer, and the rows it has no means for.
struct Peer {
    name: &'static str,
    cannot_send: &'static [&'static str],
    cannot_read: &'static [&'static str],
    run: fn(&Site, &str, &str, &str) -> Result<()>,
}

const PEERS: [Peer; 5] = [
    Peer {
        name: "proton",
        cannot_send: &[],
        cannot_read: &[],
        run: |site, verb, address, without| {
            by_python(site, "proton_types.py", verb, address, without)
        },
    },
    Peer {
        name: "rhea",
        // It writes the section's descriptor over the value's own.
        cannot_send: &["described"],
        cannot_read: &[],
        run: by_node,
    },
    Peer { name: "proton-cpp", cannot_send: &[], cannot_read: &[], run: by_cpp },
    Peer { name: "fe2o3", cannot_send: &[], cannot_read: &[], run: fe2o3_types::run },
    Peer {
        name: "azure",
        cannot_send: NOT_AZURES,
        cannot_read: NOT_AZURES,
        run: |site, verb, address, without| {
            by_python(site, "azure_types.py", verb, address, without)
        },
    },
];

/// Of decimals it has those of 128 bits, and takes their digits for others.
const NOT_AZURES: &[&str] = &["decimal32", "decimal64", "decimal128", "char", "char-clef"];

fn ended(name: &str, command: &mut Command) -> Result<()> {
    let done = run(name, command, b"", 40)?;
    ensure!(done.status.success(), "{}\n{}\n{}", done.status, done.stdout, done.stderr);
    Ok(())
}

fn by_python(site: &Site, script: &str, verb: &str, address: &str, without: &str) -> Result<()> {
    let mut command = Command::new(python()?);
    command.current_dir(root().join("tests/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.args([script, verb, &site.amqp_url(), address, "--without", without]);
    ended(script, &mut command)
}

fn by_node(site: &Site, verb: &str, address: &str, without: &str) -> Result<()> {
    let mut command = Command::new(node()?);
    command.current_dir(root().join("tests/node"));
    command.args(["rhea_types.mjs", verb, &site.amqp_url(), address, "--without", without]);
    ended("rhea_types.mjs", &mut command)
}

fn by_cpp(site: &Site, verb: &str, address: &str, without: &str) -> Result<()> {
    let table = "tests/data/amqp_types.tsv";
    proton_cpp::peer(site, verb, address, &[table, "--without", without])
}

/// What one peer sends, all read.
fn all_read_what_is_sent_by(name: &str) -> Result<()> {
    let (site, mut server) = tubepost()?;
    let sender = PEERS.iter().find(|peer| peer.name == name).context("a peer of this name")?;
    for reader in &PEERS {
        let address = format!("/queue/{name}-{}", reader.name);
        let without = [sender.cannot_send, reader.cannot_read].concat().join(",");
        (sender.run)(&site, "send", &address, &without)
            .with_context(|| format!("{name} sends to {}", reader.name))?;
        (reader.run)(&site, "check", &address, &without)
            .with_context(|| format!("{} reads what {name} sent", reader.name))?;
    }
    nothing_panicked(&mut server)
}

#[test]
fn every_type_that_proton_sends_is_read() -> Result<()> {
    all_read_what_is_sent_by("proton")
}

#[test]
fn every_type_that_rhea_sends_is_read() -> Result<()> {
    all_read_what_is_sent_by("rhea")
}

#[test]
fn every_type_that_proton_for_cpp_sends_is_read() -> Result<()> {
    all_read_what_is_sent_by("proton-cpp")
}

#[test]
fn every_type_that_fe2o3_sends_is_read() -> Result<()> {
    all_read_what_is_sent_by("fe2o3")
}

#[test]
fn every_type_that_azures_client_sends_is_read() -> Result<()> {
    all_read_what_is_sent_by("azure")
}

/// Name, type and value of each row.
pub(crate) fn rows(without: &str) -> Result<Vec<[String; 3]>> {
    let table = fs::read_to_string(root().join("tests/data/amqp_types.tsv"))?;
    let without: Vec<&str> = without.split(',').collect();
    let rows = table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut parts = line.split('\t').map(str::to_owned);
        Some([parts.next()?, parts.next()?, parts.next()?])
    });
    Ok(rows.filter(|[name, ..]| !without.contains(&name.as_str())).collect())
}

#[test]
fn every_type_of_the_standard_is_in_the_table() -> Result<()> {
    let rows = rows("")?;
    for kind in [
        "null",
        "boolean",
        "ubyte",
        "ushort",
        "uint",
        "ulong",
        "byte",
        "short",
        "int",
        "long",
        "float",
        "double",
        "decimal32",
        "decimal64",
        "decimal128",
        "char",
        "timestamp",
        "uuid",
        "binary",
        "string",
        "symbol",
        "list",
        "map",
        "array",
        "described",
    ] {
        ensure!(rows.iter().any(|[_, of, _]| of == kind), "no value of {kind}");
    }
    ensure!(rows.len() >= 60, "{} rows", rows.len());
    Ok(())
}
