//! Reading allocates nothing. One test, because the counter is global.

extern crate alloc;

use core::{fmt::Write, hint::black_box};

use lwm2m_kit::heap::allocations;
use lwm2m_linkformat::{
    BootstrapDiscoverLinks, DiscoverLinks, Links, RegistrationLink, RegistrationLinks, RootPath,
};

lwm2m_kit::count_allocations!();

#[test]
fn nothing_is_allocated() {
    let mut registration = r#"</a%20b>;rt="oma.lwm2m";ct="0 11543""#.to_owned();
    let mut discover = "</a%20b/3>;ver=2.2".to_owned();
    let mut bootstrap = r#"lwm2m="1.0""#.to_owned();
    for id in 0..1000 {
        write!(
            registration,
            ", </a%20b/{id}/1>;x=\"a\\\"b\",</foreign/{id}>"
        )
        .unwrap();
        write!(
            discover,
            ",</3/0/{id}>;dim=2;pmin=1;gt=1.5;title=\"a\\\"b\""
        )
        .unwrap();
        write!(bootstrap, ",</1/{id}>;ssid=101").unwrap();
    }

    // The counter counts.
    assert_eq!(allocations(|| drop(black_box(vec![1]))), 1);

    let general = allocations(|| {
        for link in Links::new(&registration) {
            for attribute in link.unwrap().attributes() {
                if let Some(value) = attribute.value {
                    value.chars().for_each(|c| _ = black_box(c));
                    black_box(value.as_str().map(alloc::borrow::Cow::Borrowed));
                }
            }
        }
    });
    assert_eq!(general, 0, "the general reader");
    let list = allocations(|| {
        let mut instances = 0;
        for link in RegistrationLinks::new(&registration) {
            match link.unwrap() {
                RegistrationLink::Root {
                    content_formats, ..
                } => assert_eq!(content_formats.count(), 2),
                RegistrationLink::Object { .. } => {}
                RegistrationLink::Instance { .. } => instances += 1,
            }
        }
        assert_eq!(instances, 999);
    });
    assert_eq!(list, 0, "a registration list");
    let answer = allocations(|| {
        let root = RootPath::new("/a%20b").unwrap();
        let links = DiscoverLinks::new(&discover, root);
        let others = links.map(|link| link.unwrap().other_attributes().count());
        assert_eq!(others.sum::<usize>(), 1000);
    });
    assert_eq!(answer, 0, "an answer to Discover");
    let answer = allocations(|| {
        let links = BootstrapDiscoverLinks::new(&bootstrap);
        assert_eq!(links.map(Result::unwrap).count(), 1001);
    });
    assert_eq!(answer, 0, "an answer to Bootstrap-Discover");
    let refused = allocations(|| {
        let cut = registration.trim_end_matches('>');
        assert!(RegistrationLinks::new(cut).last().unwrap().is_err());
    });
    assert_eq!(refused, 0, "a list that is cut off");
}
