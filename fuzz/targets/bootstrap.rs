#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > lwm2m_fuzz::LONGEST_LONG_PROGRAM {
        return Corpus::Reject;
    }
    lwm2m_fuzz::bootstrap(data);
    Corpus::Keep
});
