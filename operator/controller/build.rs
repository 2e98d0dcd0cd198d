//! Tells the linker to pack the relocations of the program: they are read in whole when it starts, and their pages stay.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what| std::env::var(format!("CARGO_CFG_TARGET_{what}"));
    // Understood by GNU's linker from 2.38 and LLVM's from 15, and by glibc from 2.36.
    if target("OS").is_ok_and(|os| os == "linux") && target("ENV").is_ok_and(|env| env == "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
