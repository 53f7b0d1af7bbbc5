//! What a Server is tested for: the items of TS Appendix B.2. Those of B.2.1 are of the Bootstrap-Server.

use crate::table::Listed;

/// TS Appendix B.2: the static conformance requirements of a Server.
pub(super) const APPENDIX_B: &[Listed] = &[
    // B.2.1 Bootstrap Interface
    ("LwM2M-BOOT-005-S-M", "Server Initiated Bootstrap"),
    ("LwM2M-BOOT-010-S-M", "Bootstrap Security"),
    // B.2.2 Client Registration
    ("LwM2M-CR-001-S-M", "Register"),
    ("LwM2M-CR-002-S-M", "Endpoint Client Name"),
    ("LwM2M-CR-003-S-M", "Lifetime"),
    ("LwM2M-CR-004-S-M", "LwM2M Version"),
    ("LwM2M-CR-005-S-M", "Binding Mode"),
    ("LwM2M-CR-006-S-M", "SMS Number"),
    ("LwM2M-CR-007-S-M", "Objects and Object Instances"),
    ("LwM2M-CR-008-S-M", "Update"),
    ("LwM2M-CR-009-S-M", "De-register"),
    // B.2.3 Device Management and Service Enablement Interface
    ("LwM2M-DMSE-001-S-M", "Read"),
    ("LwM2M-DMSE-002-S-M", "Discover"),
    ("LwM2M-DMSE-003-S-M", "Write"),
    ("LwM2M-DMSE-004-S-M", "Write-Attributes"),
    ("LwM2M-DMSE-005-S-M", "Minimum Period"),
    ("LwM2M-DMSE-006-S-M", "Maximum Period"),
    ("LwM2M-DMSE-007-S-M", "Greater Than"),
    ("LwM2M-DMSE-008-S-M", "Less Than"),
    ("LwM2M-DMSE-009-S-M", "Step"),
    ("LwM2M-DMSE-010-S-M", "Execute"),
    ("LwM2M-DMSE-011-S-M", "Create"),
    ("LwM2M-DMSE-012-S-M", "Delete"),
    // B.2.4 Information Reporting
    ("LwM2M-IR-001-S-M", "Observe"),
    ("LwM2M-IR-002-S-M", "Notify"),
    ("LwM2M-IR-003-S-M", "Cancel Observation"),
    // B.2.5 Data Format
    ("LwM2M-DF-001-S-M", "Plain Text"),
    ("LwM2M-DF-002-S-M", "Opaque"),
    ("LwM2M-DF-003-S-M", "TLV"),
    ("LwM2M-DF-004-S-M", "JSON"),
    // B.2.6 Security
    ("LwM2M-SEC-002-S-M", "Pre-Shared Keys"),
    ("LwM2M-SEC-003-S-M", "Raw Public Keys"),
    ("LwM2M-SEC-004-S-M", "X.509 Certificates"),
    ("LwM2M-SEC-005-S-M", "NoSec"),
    ("LwM2M-SEC-006-S-M", "UDP Channel Security"),
    // B.2.7 Mechanism
    ("LwM2M-MEC-001-S-M", "Queue Mode"),
    ("LwM2M-MEC-002-S-M", "UDP Binding"),
    ("LwM2M-MEC-003-S-O", "SMS Binding"),
    // B.2.8 Objects
    ("LwM2M-OBJ-001-S-M", "Security"),
    ("LwM2M-OBJ-002-S-M", "Server"),
    ("LwM2M-OBJ-003-S-O", "Access Control"),
    ("LwM2M-OBJ-004-S-M", "Device"),
    ("LwM2M-OBJ-005-S-O", "Connectivity Monitoring"),
    ("LwM2M-OBJ-006-S-O", "Firmware Update"),
    ("LwM2M-OBJ-007-S-O", "Location"),
    ("LwM2M-OBJ-008-S-O", "Connectivity Statistics"),
];

/// The items that nothing here shows yet. No other may be without a test, and none of these once it has
/// one.
pub(super) const NOT_YET: &[&str] = &[
    "LwM2M-SEC-002-S-M",
    "LwM2M-SEC-003-S-M",
    "LwM2M-SEC-004-S-M",
    "LwM2M-SEC-006-S-M",
    "LwM2M-OBJ-001-S-M",
];
