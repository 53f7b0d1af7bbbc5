//! The Server and the Bootstrap-Server: which item is shown by which test.

mod bench;
mod bootstrap;
mod catalogue;
mod clients;
mod formats;
mod management;
mod mechanisms;
mod objects;
mod registration;
mod reporting;

use self::catalogue::{APPENDIX_B, NOT_YET};
use crate::table::{Item, Role, Shown, not_yet, test};

/// What a Server is tested for.
pub(crate) const SERVER: Role = Role {
    name: "Server",
    catalogue: &[APPENDIX_B],
    not_yet: NOT_YET,
    nothing: &[],
    items: ITEMS,
};

/// All of them, in the order of the catalogue.
const ITEMS: &[Item] = &[
    test!("LwM2M-BOOT-005-S-M", bootstrap::lwm2m_boot_005_s_m),
    test!("LwM2M-BOOT-010-S-M", bootstrap::lwm2m_boot_010_s_m),
    test!("LwM2M-CR-001-S-M", registration::lwm2m_cr_001_s_m),
    test!("LwM2M-CR-002-S-M", registration::lwm2m_cr_002_s_m),
    test!("LwM2M-CR-003-S-M", registration::lwm2m_cr_003_s_m),
    test!("LwM2M-CR-004-S-M", registration::lwm2m_cr_004_s_m),
    test!("LwM2M-CR-005-S-M", registration::lwm2m_cr_005_s_m),
    test!("LwM2M-CR-006-S-M", registration::lwm2m_cr_006_s_m),
    test!("LwM2M-CR-007-S-M", registration::lwm2m_cr_007_s_m),
    test!("LwM2M-CR-008-S-M", registration::lwm2m_cr_008_s_m),
    test!("LwM2M-CR-009-S-M", registration::lwm2m_cr_009_s_m),
    test!("LwM2M-DMSE-001-S-M", management::lwm2m_dmse_001_s_m),
    test!("LwM2M-DMSE-002-S-M", management::lwm2m_dmse_002_s_m),
    test!("LwM2M-DMSE-003-S-M", management::lwm2m_dmse_003_s_m),
    test!("LwM2M-DMSE-004-S-M", management::lwm2m_dmse_004_s_m),
    test!("LwM2M-DMSE-005-S-M", management::lwm2m_dmse_005_s_m),
    test!("LwM2M-DMSE-006-S-M", management::lwm2m_dmse_006_s_m),
    test!("LwM2M-DMSE-007-S-M", management::lwm2m_dmse_007_s_m),
    test!("LwM2M-DMSE-008-S-M", management::lwm2m_dmse_008_s_m),
    test!("LwM2M-DMSE-009-S-M", management::lwm2m_dmse_009_s_m),
    test!("LwM2M-DMSE-010-S-M", management::lwm2m_dmse_010_s_m),
    test!("LwM2M-DMSE-011-S-M", management::lwm2m_dmse_011_s_m),
    test!("LwM2M-DMSE-012-S-M", management::lwm2m_dmse_012_s_m),
    test!("LwM2M-IR-001-S-M", reporting::lwm2m_ir_001_s_m),
    test!("LwM2M-IR-002-S-M", reporting::lwm2m_ir_002_s_m),
    test!("LwM2M-IR-003-S-M", reporting::lwm2m_ir_003_s_m),
    test!("LwM2M-DF-001-S-M", formats::lwm2m_df_001_s_m),
    test!("LwM2M-DF-002-S-M", formats::lwm2m_df_002_s_m),
    test!("LwM2M-DF-003-S-M", formats::lwm2m_df_003_s_m),
    test!("LwM2M-DF-004-S-M", formats::lwm2m_df_004_s_m),
    not_yet!("LwM2M-SEC-002-S-M", "secured transports"),
    not_yet!("LwM2M-SEC-003-S-M", "secured transports"),
    not_yet!("LwM2M-SEC-004-S-M", "secured transports"),
    test!("LwM2M-SEC-005-S-M", mechanisms::lwm2m_sec_005_s_m),
    not_yet!("LwM2M-SEC-006-S-M", "secured transports"),
    test!("LwM2M-MEC-001-S-M", mechanisms::lwm2m_mec_001_s_m),
    test!("LwM2M-MEC-002-S-M", mechanisms::lwm2m_mec_002_s_m),
    test!("LwM2M-MEC-003-S-O", mechanisms::lwm2m_mec_003_s_o),
    not_yet!(
        "LwM2M-OBJ-001-S-M",
        "accounts of a Bootstrap-Server, Resource by Resource"
    ),
    test!("LwM2M-OBJ-002-S-M", objects::lwm2m_obj_002_s_m),
    test!("LwM2M-OBJ-003-S-O", objects::lwm2m_obj_003_s_o),
    test!("LwM2M-OBJ-004-S-M", objects::lwm2m_obj_004_s_m),
    test!("LwM2M-OBJ-005-S-O", objects::lwm2m_obj_005_s_o),
    test!("LwM2M-OBJ-006-S-O", objects::lwm2m_obj_006_s_o),
    test!("LwM2M-OBJ-007-S-O", objects::lwm2m_obj_007_s_o),
    test!("LwM2M-OBJ-008-S-O", objects::lwm2m_obj_008_s_o),
];
