//! Puts the console's built files into the program, as they lie in
//! `console/dist`. It builds nothing and downloads nothing: where that folder is
//! missing, the program carries a page that says so.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const DIST: &str = "console/dist";

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut files = Vec::new();
    // Named only where it is: without any such line cargo watches the whole
    // crate, and so notices when the folder comes.
    if Path::new(DIST).is_dir() {
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rerun-if-changed={DIST}");
        walk(Path::new(DIST), &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for (number, path) in files.iter().enumerate() {
        let copy = format!("asset-{number}");
        fs::copy(path, out.join(&copy))?;
        let name = path.strip_prefix(DIST).unwrap_or(path).to_string_lossy().replace('\\', "/");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "    ({name:?}, include_bytes!({copy:?})),");
    }
    table.push_str("]\n");
    fs::write(out.join("assets.rs"), table)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
