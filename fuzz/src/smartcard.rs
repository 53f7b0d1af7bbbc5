use lwm2m_objects::{ACCESS_CONTROL, ObjectTree, SECURITY, SERVER, Snapshot, Store};
use lwm2m_statemachine::smartcard::{
    BootstrapFile, CardContents, MAX_FILE, Refreshed, Step, Walk, WalkConfig, refresh,
};

/// The first byte chooses: the rest is what a card answers, or what it has one time and another.
pub fn smartcard(data: &[u8]) {
    match data {
        [0, answers @ ..] => walk(answers),
        [length, files @ ..] => follow(files, usize::from(*length)),
        [] => {}
    }
}

/// A walk ends within its bounds, and keeps no more than a file.
fn walk(answers: &[u8]) {
    let id = "2.23.43.7.1".parse().expect("an object identifier");
    let mut config = WalkConfig::new(id);
    config.bounds.commands = 300;
    config.secure_channel = answers.len() % 2 == 1;
    let (mut walk, mut answers, mut commands) = (Walk::new(config), answers, 0);
    loop {
        match walk.step() {
            Step::Send { command, .. } => {
                assert!((4..=261).contains(&command.len()));
                commands += 1;
                assert!(commands <= 301, "the last one closes the channel");
                walk.answer(next(&mut answers));
            }
            Step::SecureChannel(_) => walk.secure_channel(true),
            Step::VerifyPin(request) => {
                let verified = request.refused || request.label.is_some();
                walk.pin(verified);
            }
            Step::Done(_) => break,
            other => panic!("{other:?}"),
        }
    }
    if let Some(file) = walk.into_file() {
        assert!(file.len() <= MAX_FILE);
        let _ = BootstrapFile::decode(&file);
    }
}

/// The next answer: its length, and its bytes. After the last one the card has nothing.
fn next<'a>(answers: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, rest)) = answers.split_first() else {
        return &[0x6A, 0x82];
    };
    let (answer, rest) = rest.split_at(usize::from(*length).min(rest.len()));
    *answers = rest;
    answer
}

/// A tree follows a card that has one file, then another one, and is removed.
fn follow(files: &[u8], length: usize) {
    let (first, second) = files.split_at(length.min(files.len()));
    let mut tree = ObjectTree::new();
    tree.add(Store::new(&SECURITY).supporting(0..=12));
    tree.add(Store::new(&SERVER).supporting(0..=8));
    tree.add(Store::new(&ACCESS_CONTROL).supporting(0..=3));
    let empty = tree.snapshot();
    let applied = follow_one(&mut tree, &CardContents::default(), Some(first));
    if applied.refused.is_some() {
        assert!(
            tree.snapshot() == empty,
            "nothing of a refused file is applied"
        );
    }
    let again = follow_one(&mut tree, &applied.contents, Some(first));
    if applied.refused.is_none() {
        assert!(again.changes.is_empty(), "the card is the same");
    }
    let changed = follow_one(&mut tree, &again.contents, Some(second));
    let removed = follow_one(&mut tree, &changed.contents, None);
    assert!(removed.refused.is_none(), "{:?}", removed.refused);
    assert!(removed.contents.is_empty());
    assert!(tree.snapshot() == empty, "a removed card leaves nothing");
}

fn follow_one(tree: &mut ObjectTree, before: &CardContents, file: Option<&[u8]>) -> Refreshed {
    let was: Snapshot = tree.snapshot();
    let refreshed = refresh(tree, before, file, |_| true).expect("no bootstrap is under way");
    assert!(!tree.is_holding());
    if refreshed.changes.is_empty() {
        assert!(tree.snapshot() == was, "nothing has happened");
    }
    for path in refreshed.contents.paths() {
        assert!(tree.locate(path).is_some(), "{path} is from the card");
    }
    refreshed
}
