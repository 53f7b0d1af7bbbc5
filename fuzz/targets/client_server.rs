#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    if data.len() > lwm2m_fuzz::LONGEST_PROGRAM {
        return Corpus::Reject;
    }
    lwm2m_fuzz::client_server(data);
    Corpus::Keep
});
