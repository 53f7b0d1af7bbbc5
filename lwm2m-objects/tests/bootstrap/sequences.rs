//! Any commands in any order.

use lwm2m_objects::{ObjectTree, bootstrap};
use proptest::prelude::*;

use crate::session::{Session, client, control, two_servers, udp};

#[derive(Clone, Debug)]
enum Command {
    Delete(String),
    WriteAgain(String),
    Set(String, i64),
    Finish,
}

fn command() -> impl Strategy<Value = Command> {
    let targets = prop::sample::select(vec![
        "/", "/0", "/0/0", "/0/1", "/0/2", "/1", "/1/0", "/1/1", "/2", "/2/0", "/2/2", "/2/3",
        "/2/5", "/3", "/3/0", "/5", "/5/0", "/9", "/9/0", "/9/1", "/9/8", "/77",
    ]);
    let written = prop::sample::select(vec![
        "/0", "/0/0", "/0/1", "/0/2", "/1", "/1/0", "/1/1", "/2", "/2/0", "/2/2", "/2/5", "/3/0",
        "/5/0", "/9", "/9/0", "/9/1",
    ]);
    let numbers = prop::sample::select(vec![
        "/0/1/10", "/0/2/10", "/0/5/10", "/1/0/0", "/1/1/0", "/2/2/3", "/2/5/3", "/2/8/3",
    ]);
    prop_oneof![
        3 => targets.prop_map(|at| Command::Delete(at.into())),
        5 => written.prop_map(|at| Command::WriteAgain(at.into())),
        1 => (numbers, 101_i64..105).prop_map(|(at, id)| Command::Set(at.into(), id)),
        1 => Just(Command::Finish),
    ]
}

fn carry_out(session: &mut Session, command: &Command) {
    match command {
        Command::Delete(target) => {
            let _ = session.delete(target);
        }
        Command::WriteAgain(target) => session.write_again(target),
        Command::Set(target, id) => session.set(target, *id),
        Command::Finish => {
            let _ = session.finish();
        }
    }
}

fn three_servers() -> ObjectTree {
    let rights = vec![
        control((1, 0), &[(101, 15)], 101),
        control((3, 0), &[(0, 3), (102, 9), (103, 8)], 101),
        control((5, 0), &[(103, 1)], 102),
        control((9, 0), &[(101, 1), (102, 2), (103, 8)], 103),
        control((9, 65535), &[(103, 16)], 65535),
        control((9, 1), &[], 103),
    ];
    client(&[101, 102, 103], rights)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Rolled back, all is as before; kept, a consistent tree stays consistent, and its accounts can be
    /// used.
    #[test]
    fn a_bootstrap_is_whole_or_not_at_all(
        three in any::<bool>(),
        commands in prop::collection::vec(command(), 0..24),
    ) {
        let make = if three { three_servers } else { two_servers };
        let mut session = Session::new(make);
        for command in &commands {
            carry_out(&mut session, command);
            prop_assert!(session.tree.snapshot() == session.before, "{commands:?}");
        }
        let finished = session.finish();
        prop_assert_eq!(session.gone.restored(&session.tree), vec![]);
        prop_assert_eq!(bootstrap::check(&session.tree, udp).is_ok(), finished.is_ok());
        if finished.is_ok() {
            session.tree.keep();
            prop_assert_eq!(bootstrap::check(&session.tree, udp), Ok(()));
            let servers = lwm2m_objects::accounts(&session.tree).len();
            let instances = session.tree.instances(1.into()).count();
            prop_assert_eq!(servers, instances);
        } else {
            session.tree.roll_back();
            prop_assert!(session.tree.snapshot() == session.before, "{commands:?}");
            prop_assert_eq!(bootstrap::check(&session.tree, udp), Ok(()));
        }
    }

    /// Servers that all come back, in whatever order they have gone, have lost nothing.
    #[test]
    fn servers_that_come_back_have_lost_nothing(
        deleted in prop::collection::vec(
            prop::sample::select(vec!["/0", "/0/1", "/0/2", "/0/3", "/1", "/1/0", "/1/2"]), 0..12),
        back in prop::collection::vec(
            prop::sample::select(vec!["/0", "/0/1", "/0/2", "/0/3", "/1", "/1/0"]), 0..4),
        mixed in any::<u64>(),
    ) {
        let mut session = Session::new(three_servers);
        let (mut deleted, mut back) = (deleted.into_iter(), back.into_iter());
        for bit in 0..64 {
            if mixed >> bit & 1 == 0 {
                let _ = deleted.next().map(|target| session.delete(target));
            } else {
                let _ = back.next().map(|target| session.write_again(target));
            }
        }
        session.write_again("/0");
        session.write_again("/1");
        let before = session.before.clone();
        prop_assert_eq!(session.finish(), Ok(()));
        session.tree.keep();
        prop_assert!(session.tree.snapshot() == before);
    }
}
