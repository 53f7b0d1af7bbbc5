use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

fn read(queries: &[&str]) -> Result<AttributesUpdate, AttributeError> {
    AttributesUpdate::from_queries(queries.iter().copied())
}

#[test]
fn a_value_sets_and_a_bare_name_unsets() {
    assert_eq!(
        read(&["pmin=10", "pmax", "gt=50", "lt=-42.2", "st"]),
        Ok(AttributesUpdate {
            pmin: Change::Set(10),
            pmax: Change::Unset,
            gt: Change::Set(50.0),
            lt: Change::Set(-42.2),
            st: Change::Unset,
        })
    );
    assert!(read(&[]).unwrap().is_empty());
    for query in ["pmin=10", "pmax", "gt=0", "lt", "st=0"] {
        assert!(!read(&[query]).unwrap().is_empty(), "{query}");
    }
}

/// TS 8.2.5: a name without `=` unsets. With it there must be a value, and Appendix C has no empty
/// text for a number.
#[test]
fn an_empty_value_is_refused() {
    for name in AttributeName::ALL
        .iter()
        .copied()
        .filter(|name| name.is_writable())
    {
        let query = alloc::format!("{name}=");
        let error = AttributeError::Value { query: 1, name };
        let other = if name == AttributeName::Step {
            "gt"
        } else {
            "st"
        };
        assert_eq!(read(&[other, &query]), Err(error), "{query}");
    }
}

#[test]
fn errors_tell_which_query_and_what_was_expected() {
    use AttributeName::{
        Dimension, GreaterThan, MaximumPeriod, MinimumPeriod, ObjectVersion, Step,
    };

    let value = |query, name| AttributeError::Value { query, name };
    for (queries, error) in [
        (
            &["pmin=1", "foo=1"][..],
            AttributeError::Unknown { query: 1 },
        ),
        (&["PMIN=1"], AttributeError::Unknown { query: 0 }),
        (&[""], AttributeError::Unknown { query: 0 }),
        (&["=1"], AttributeError::Unknown { query: 0 }),
        (
            &["dim=1"],
            AttributeError::ReadOnly {
                query: 0,
                name: Dimension,
            },
        ),
        (
            &["pmin", "ver"],
            AttributeError::ReadOnly {
                query: 1,
                name: ObjectVersion,
            },
        ),
        (
            &["pmin=1", "gt=2", "pmin"],
            AttributeError::Duplicate {
                query: 2,
                name: MinimumPeriod,
            },
        ),
        (&["gt=1", "pmin=-1"], value(1, MinimumPeriod)),
        (&["pmin=1.0"], value(0, MinimumPeriod)),
        (&["pmin=+1"], value(0, MinimumPeriod)),
        (&["pmin= 1"], value(0, MinimumPeriod)),
        (&["pmax=4294967296"], value(0, MaximumPeriod)),
        (&["gt=NaN"], value(0, GreaterThan)),
        (&["gt=inf"], value(0, GreaterThan)),
        (&["gt=1e999"], value(0, GreaterThan)),
        (&["gt=.5"], value(0, GreaterThan)),
        (&["gt=5."], value(0, GreaterThan)),
        (&["gt=5=6"], value(0, GreaterThan)),
        (&["st=-1"], value(0, Step)),
    ] {
        assert_eq!(read(queries), Err(error), "{queries:?}");
    }
    assert_eq!(
        read(&["pmin=x"]).unwrap_err().to_string(),
        "query 0: expected pmin to be seconds, 0 to 4294967295"
    );
    let level = AttributeLevel::Instance;
    let name = GreaterThan;
    assert_eq!(
        AttributeError::Level { name, level }.to_string(),
        "gt cannot be set for an Object Instance"
    );
    assert_eq!(
        AttributeError::Number(Step).to_string(),
        "expected st to be a finite decimal number of at least 0"
    );
}

#[test]
fn periods_have_three_levels_and_thresholds_one() {
    use AttributeLevel::{Instance, Object, Resource};

    for (name, levels) in [
        ("dim", &[Resource][..]),
        ("ver", &[Object]),
        ("pmin", &[Object, Instance, Resource]),
        ("pmax", &[Object, Instance, Resource]),
        ("gt", &[Resource]),
        ("lt", &[Resource]),
        ("st", &[Resource]),
    ] {
        let name = AttributeName::from_link_param(name).unwrap();
        for level in [Object, Instance, Resource] {
            assert_eq!(name.may_be_set_at(level), levels.contains(&level));
            if name.is_writable() {
                let update = read(&[&alloc::format!("{name}=1")]).unwrap();
                let mut attributes = Attributes::NONE;
                let result = attributes.update(level, &update);
                if levels.contains(&level) {
                    assert_eq!(result, Ok(()));
                    assert!(!attributes.is_empty());
                } else {
                    assert_eq!(result, Err(AttributeError::Level { name, level }));
                    assert!(attributes.is_empty());
                }
            }
        }
    }
    let level = |ids: &[u16]| AttributeLevel::of(&Path::of(ids).unwrap());
    assert_eq!(level(&[]), None);
    assert_eq!(level(&[3]), Some(Object));
    assert_eq!(level(&[3, 0]), Some(Instance));
    assert_eq!(level(&[3, 0, 9]), Some(Resource));
    assert_eq!(level(&[3, 0, 7, 1]), None);
}

#[test]
fn the_resulting_set_is_checked_and_a_refused_update_changes_nothing() {
    let mut attributes = Attributes::NONE;
    let mut write = |queries: &[&str]| {
        let before = attributes;
        let result = attributes.update(AttributeLevel::Resource, &read(queries).unwrap());
        if result.is_err() {
            assert_eq!(attributes, before);
        }
        result
    };
    assert_eq!(write(&["pmin=10", "lt=1", "st=2"]), Ok(()));
    // 1 + 2*2 = 5: gt must be above.
    assert_eq!(write(&["gt=5", "pmax=20"]), Err(AttributeError::Thresholds));
    assert_eq!(
        write(&["gt=5.1", "pmax=9"]),
        Err(AttributeError::Periods { pmin: 10, pmax: 9 })
    );
    assert_eq!(write(&["gt=5.1", "pmax=10"]), Ok(()));
    assert_eq!(write(&["st=2.05"]), Err(AttributeError::Thresholds));
    assert_eq!(write(&["st"]), Ok(()));
    // Without st, the rule is lt < gt.
    assert_eq!(write(&["lt=5.1"]), Err(AttributeError::Thresholds));
    assert_eq!(
        write(&["pmin=11"]),
        Err(AttributeError::Periods { pmin: 11, pmax: 10 })
    );
    assert_eq!(write(&["gt", "st=1000", "pmin=11", "pmax"]), Ok(()));
    assert_eq!(attributes.to_string(), ";pmin=11;lt=1;st=1000");
    // A sum that overflows is above every threshold.
    let huge = Attributes {
        gt: Some(f64::MAX),
        lt: Some(0.0),
        st: Some(f64::MAX),
        ..Attributes::NONE
    };
    assert_eq!(huge.validate(), Err(AttributeError::Thresholds));
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let attributes = Attributes {
            lt: Some(number),
            ..Attributes::NONE
        };
        assert_eq!(
            attributes.validate(),
            Err(AttributeError::Number(AttributeName::LessThan))
        );
    }
}

/// Only a program can cause these; queries are checked when they are read.
#[test]
fn a_number_out_of_range_is_found_in_a_set_and_in_an_update() {
    use AttributeName::{GreaterThan, LessThan, Step};

    let set = |name, number| {
        let mut set = Attributes::NONE;
        *match name {
            GreaterThan => &mut set.gt,
            LessThan => &mut set.lt,
            _ => &mut set.st,
        } = Some(number);
        set
    };
    for name in [GreaterThan, LessThan, Step] {
        for (number, right) in [
            (0.0, true),
            (f64::MAX, true),
            (-1.0, name != Step),
            (f64::NAN, false),
            (f64::INFINITY, false),
            (f64::NEG_INFINITY, false),
        ] {
            let set = set(name, number);
            let expected = if right {
                Ok(())
            } else {
                Err(AttributeError::Number(name))
            };
            assert_eq!(set.check_ranges(), expected, "{name}={number}");
            assert_eq!(AttributesUpdate::from(set).check_ranges(), expected);
        }
    }
    // The attributes of several levels need not be in order.
    let inherited = Attributes {
        pmin: Some(60),
        pmax: Some(10),
        gt: Some(1.0),
        lt: Some(2.0),
        st: None,
    };
    assert_eq!(inherited.check_ranges(), Ok(()));
}

#[test]
fn lower_levels_prevail_and_defaults_come_last() {
    let set = |pmin, pmax| Attributes {
        pmin,
        pmax,
        ..Attributes::NONE
    };
    let object = set(Some(1), Some(100));
    let instance = set(None, Some(60));
    let resource = set(Some(5), None);
    let defaults = DefaultPeriods {
        pmin: 7,
        pmax: Some(70),
    };
    let periods = |attributes: Attributes| {
        let conditions = attributes.conditions(defaults);
        (conditions.pmin, conditions.pmax)
    };
    assert_eq!(periods(resource.or(&instance).or(&object)), (5, Some(60)));
    assert_eq!(periods(resource.or(&object)), (5, Some(100)));
    assert_eq!(periods(resource), (5, Some(70)));
    assert_eq!(periods(Attributes::NONE), (7, Some(70)));
    // An inherited maximum below the minimum doesn't count, and neither does 0.
    assert_eq!(periods(set(Some(61), None).or(&instance)), (61, None));
    assert_eq!(periods(set(Some(60), None).or(&instance)), (60, Some(60)));
    assert_eq!(periods(set(Some(0), Some(0))), (0, None));
}

/// TS 5.1.1, rules 1 to 5, for each attribute alone.
#[test]
fn each_attribute_prevails_over_the_level_above_or_is_completed_by_it() {
    let all = |number: u32| {
        let mut set = Attributes::NONE;
        for name in AttributeName::ALL {
            let read = set.set_link_attribute(name.link_param(), &number.to_string());
            assert_eq!(read, name.is_writable(), "{name}");
        }
        set
    };
    let (lower, upper) = (all(1), all(2));
    assert_eq!(lower.to_string(), ";pmin=1;pmax=1;gt=1;lt=1;st=1");
    assert_eq!(lower.or(&upper), lower);
    assert_eq!(Attributes::NONE.or(&upper), upper);
    assert_eq!(lower.or(&Attributes::NONE), lower);
    let conditions = lower.conditions(DefaultPeriods::default());
    assert_eq!(
        conditions,
        NotificationConditions {
            pmin: 1,
            pmax: Some(1),
            gt: Some(1.0),
            lt: Some(1.0),
            st: Some(1.0),
        }
    );
}

#[test]
fn answers_to_discover_are_read_leniently() {
    let mut attributes = Attributes::NONE;
    for (name, value, read) in [
        ("pmin", "10", true),
        ("gt", "5e1", true),
        ("dim", "8", false),
        ("lt", "x", false),
        ("rt", "oma.lwm2m", false),
        ("pmax", "", false),
        ("pmax", "9", true),
    ] {
        assert_eq!(attributes.set_link_attribute(name, value), read, "{name}");
    }
    assert_eq!(attributes.to_string(), ";pmin=10;pmax=9;gt=50");
}

fn change<T: fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
    prop::option::of(prop::option::of(value)).prop_map(|change| match change {
        None => Change::Keep,
        Some(None) => Change::Unset,
        Some(Some(value)) => Change::Set(value),
    })
}

fn finite() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};

    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

proptest! {
    #[test]
    fn what_prints_reads_back_equal(
        pmin in change(any::<u32>()),
        pmax in change(any::<u32>()),
        gt in change(finite()),
        lt in change(finite()),
        st in change(finite().prop_map(f64::abs)),
    ) {
        let update = AttributesUpdate { pmin, pmax, gt, lt, st };
        let queries: Vec<String> = update.queries().map(|query| query.to_string()).collect();
        prop_assert!(queries.iter().all(|query| !query.contains(['e', 'E'])));
        prop_assert_eq!(AttributesUpdate::from_queries(queries.iter().map(String::as_str)), Ok(update));
    }

    #[test]
    fn any_text_is_read_or_refused(queries in prop::collection::vec("(pmin|pmax|gt|lt|st|dim)?=?\\PC{0,8}", 0..4)) {
        if let Ok(update) = AttributesUpdate::from_queries(queries.iter().map(String::as_str)) {
            prop_assert_eq!(update.queries().count(), queries.len());
        }
    }

    #[test]
    fn an_update_leaves_a_valid_set(
        first in prop::collection::vec("(pmin|pmax|gt|lt|st)=[0-9]", 0..4),
        second in prop::collection::vec("(pmin|pmax|gt|lt|st)(=[0-9])?", 0..4),
    ) {
        let mut attributes = Attributes::NONE;
        for queries in [first, second] {
            if let Ok(update) = AttributesUpdate::from_queries(queries.iter().map(String::as_str)) {
                let _ = attributes.update(AttributeLevel::Resource, &update);
                prop_assert_eq!(attributes.validate(), Ok(()));
            }
        }
    }
}
