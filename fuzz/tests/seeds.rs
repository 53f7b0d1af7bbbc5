//! Replays every seed of every target, whole and cut short, without a fuzzer.

use std::{fs, path::Path};

#[test]
fn every_target_holds_on_its_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for (name, check) in lwm2m_fuzz::TARGETS {
        let mut replayed = 0;
        for seed in fs::read_dir(seeds.join(name)).expect(name) {
            let bytes = fs::read(seed.unwrap().path()).unwrap();
            (0..=bytes.len()).for_each(|end| check(&bytes[..end]));
            replayed += 1;
        }
        assert!(replayed > 0, "{name} has no seeds");
    }
}

#[test]
fn every_target_is_built_and_every_built_target_is_replayed() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets");
    let mut built: Vec<String> = fs::read_dir(targets)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    built.sort();
    let mut replayed: Vec<&str> = lwm2m_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    replayed.sort();
    assert_eq!(built, replayed);
}
