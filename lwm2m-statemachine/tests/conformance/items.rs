//! Which item of a Client is shown by which test.

mod appendix_b;
mod bootstrap;
mod cellular;
mod connectivity;
mod device;
mod firmware;
mod location;
mod multi_server;
mod operations;
mod queries;
mod registration;
mod reporting;
mod sets;
mod software;
mod statistics;

use self::appendix_b::{
    bootstrap as bootstrapping, formats, management, mechanisms, notification, objects,
};
use self::appendix_b::{registration as registering, reporting as observing, smartcard as card};
use crate::{
    catalogue::{APPENDIX_B, ETS, NOT_YET, NOTHING},
    table::{Item, Role, Shown, not_yet, nothing, test},
};

/// What a Client is tested for.
pub(crate) const CLIENT: Role = Role {
    name: "Client",
    catalogue: &[APPENDIX_B, ETS],
    not_yet: NOT_YET,
    nothing: NOTHING,
    items: ITEMS,
};

/// All of them, in the order of the catalogue.
const ITEMS: &[Item] = &[
    test!("LwM2M-BOOT-001-C-M", bootstrapping::lwm2m_boot_001_c_m),
    test!("LwM2M-BOOT-002-C-O", bootstrapping::lwm2m_boot_002_c_o),
    test!("LwM2M-BOOT-003-C-O", card::lwm2m_boot_003_c_o),
    test!("LwM2M-BOOT-004-C-O", bootstrapping::lwm2m_boot_004_c_o),
    test!("LwM2M-BOOT-005-C-O", bootstrapping::lwm2m_boot_005_c_o),
    test!("LwM2M-BOOT-006-C-M", bootstrapping::lwm2m_boot_006_c_m),
    test!("LwM2M-BOOT-007-C-O", bootstrapping::lwm2m_boot_007_c_o),
    test!("LwM2M-BOOT-008-C-M", bootstrapping::lwm2m_boot_008_c_m),
    test!("LwM2M-BOOT-009-C-M", bootstrapping::lwm2m_boot_009_c_m),
    test!("LwM2M-BOOT-010-C-M", bootstrapping::lwm2m_boot_010_c_m),
    test!("LwM2M-BOOT-011-C-O", card::lwm2m_boot_011_c_o),
    test!("LwM2M-BOOT-012-C-O", card::lwm2m_boot_012_c_o),
    test!("LwM2M-BOOT-013-C-O", card::lwm2m_boot_013_c_o),
    test!("LwM2M-BOOT-014-C-O", bootstrapping::lwm2m_boot_014_c_o),
    test!("LwM2M-BOOT-015-C-O", bootstrapping::lwm2m_boot_015_c_o),
    test!("LwM2M-BOOT-016-C-O", bootstrapping::lwm2m_boot_016_c_o),
    test!("LwM2M-CR-001-C-M", registering::lwm2m_cr_001_c_m),
    test!("LwM2M-CR-002-C-M", registering::lwm2m_cr_002_c_m),
    test!("LwM2M-CR-003-C-M", registering::lwm2m_cr_003_c_m),
    test!("LwM2M-CR-004-C-M", registering::lwm2m_cr_004_c_m),
    test!("LwM2M-CR-005-C-M", registering::lwm2m_cr_005_c_m),
    test!("LwM2M-CR-006-C-O", registering::lwm2m_cr_006_c_o),
    test!("LwM2M-CR-007-C-M", registering::lwm2m_cr_007_c_m),
    test!("LwM2M-CR-008-C-M", registering::lwm2m_cr_008_c_m),
    test!("LwM2M-CR-009-C-O", registering::lwm2m_cr_009_c_o),
    test!("LwM2M-CR-010-C-O", card::lwm2m_cr_010_c_o),
    test!("LwM2M-CR-0011-C-M", registering::lwm2m_cr_0011_c_m),
    test!("LwM2M-CR-0012-C-M", registering::lwm2m_cr_0012_c_m),
    test!("LwM2M-DMSE-001-C-M", management::lwm2m_dmse_001_c_m),
    test!("LwM2M-DMSE-002-C-M", management::lwm2m_dmse_002_c_m),
    test!("LwM2M-DMSE-003-C-M", management::lwm2m_dmse_003_c_m),
    test!("LwM2M-DMSE-004-C-M", management::lwm2m_dmse_004_c_m),
    test!("LwM2M-DMSE-005-C-O", notification::lwm2m_dmse_005_c_o),
    test!("LwM2M-DMSE-006-C-O", notification::lwm2m_dmse_006_c_o),
    test!("LwM2M-DMSE-007-C-O", notification::lwm2m_dmse_007_c_o),
    test!("LwM2M-DMSE-008-C-O", notification::lwm2m_dmse_008_c_o),
    test!("LwM2M-DMSE-009-C-O", notification::lwm2m_dmse_009_c_o),
    nothing!("LwM2M-DMSE-010-C-O", "no such parameter in TS 5.4.4"),
    test!("LwM2M-DMSE-011-C-M", management::lwm2m_dmse_011_c_m),
    test!("LwM2M-DMSE-012-C-M", management::lwm2m_dmse_012_c_m),
    test!("LwM2M-DMSE-013-C-M", management::lwm2m_dmse_013_c_m),
    test!("LwM2M-IR-001-C-M", observing::lwm2m_ir_001_c_m),
    test!("LwM2M-IR-002-C-M", observing::lwm2m_ir_002_c_m),
    test!("LwM2M-IR-003-C-M", observing::lwm2m_ir_003_c_m),
    test!("LwM2M-DF-001-C-O", formats::lwm2m_df_001_c_o),
    test!("LwM2M-DF-002-C-O", formats::lwm2m_df_002_c_o),
    test!("LwM2M-DF-003-C-M", formats::lwm2m_df_003_c_m),
    test!("LwM2M-DF-004-C-O", formats::lwm2m_df_004_c_o),
    not_yet!("LwM2M-SEC-001-C-M", "secured transports"),
    not_yet!("LwM2M-SEC-002-C-O", "secured transports"),
    not_yet!("LwM2M-SEC-003-C-O", "secured transports"),
    not_yet!("LwM2M-SEC-004-C-O", "secured transports"),
    test!("LwM2M-SEC-005-C-O", mechanisms::lwm2m_sec_005_c_o),
    not_yet!("LwM2M-SEC-006-C-O", "secured transports"),
    not_yet!(
        "LwM2M-SEC-007-C-O",
        "SCP03, which belongs to the driver of the card reader"
    ),
    test!("LwM2M-SEC-008-C-O", mechanisms::lwm2m_sec_008_c_o),
    not_yet!(
        "LwM2M-SEC-009-C-O",
        "SCP03, which belongs to the driver of the card reader"
    ),
    test!("LwM2M-MEC-001-C-O", mechanisms::lwm2m_mec_001_c_o),
    test!("LwM2M-MEC-002-C-M", mechanisms::lwm2m_mec_002_c_m),
    test!("LwM2M-MEC-003-C-O", mechanisms::lwm2m_mec_003_c_o),
    test!("LwM2M-OBJ-001-C-M", objects::lwm2m_obj_001_c_m),
    test!("LwM2M-OBJ-002-C-M", objects::lwm2m_obj_002_c_m),
    test!("LwM2M-OBJ-003-C-O", objects::lwm2m_obj_003_c_o),
    test!("LwM2M-OBJ-004-C-M", objects::lwm2m_obj_004_c_m),
    test!("LwM2M-OBJ-005-C-O", objects::lwm2m_obj_005_c_o),
    test!("LwM2M-OBJ-006-C-O", objects::lwm2m_obj_006_c_o),
    test!("LwM2M-OBJ-007-C-O", objects::lwm2m_obj_007_c_o),
    test!("LwM2M-OBJ-008-C-O", objects::lwm2m_obj_008_c_o),
    test!("ETS-0", bootstrap::ets_0_client_initiated_bootstrap),
    test!("ETS-101", registration::ets_101_initial_registration),
    test!("ETS-102", registration::ets_102_registration_update),
    test!("ETS-103", registration::ets_103_deregistration),
    test!("ETS-104", registration::ets_104_registration_update_trigger),
    test!("ETS-201", queries::ets_201_query_plain_text),
    test!("ETS-202", queries::ets_202_query_opaque),
    test!("ETS-203", queries::ets_203_query_tlv),
    test!("ETS-204", queries::ets_204_query_json),
    test!("ETS-205", sets::ets_205_set_plain_text),
    test!("ETS-210", sets::ets_210_set_opaque),
    test!("ETS-215", sets::ets_215_set_tlv),
    test!("ETS-220", sets::ets_220_set_json),
    test!("ETS-241", device::ets_241_execute_reboot),
    test!("ETS-260", operations::ets_260_discover),
    test!("ETS-270", operations::ets_270_create_object_instance),
    test!(
        "ETS-271",
        operations::ets_271_create_multiple_resource_instance
    ),
    test!("ETS-290", operations::ets_290_delete_object_instance),
    test!("ETS-301", reporting::ets_301_observation_and_notification),
    test!("ETS-302", reporting::ets_302_cancel_by_reset),
    test!("ETS-303", reporting::ets_303_cancel_by_observe),
    not_yet!("ETS-401", "secured transports"),
    test!("ETS-551", sets::ets_551_server_access),
    test!("ETS-555", registration::ets_555_disable),
    test!("ETS-556", registration::ets_556_update_registration),
    test!("ETS-560", reporting::ets_560_delayed_notification),
    test!("ETS-565", bootstrap::ets_565_create_server_instance),
    test!("ETS-566", bootstrap::ets_566_delete_server_instance),
    test!("ETS-651", sets::ets_651_device_access),
    test!("ETS-652", queries::ets_652_firmware_version),
    test!("ETS-655", device::ets_655_reboot),
    test!("ETS-656", bootstrap::ets_656_factory_reset),
    test!("ETS-657", device::ets_657_error_code),
    test!("ETS-660", reporting::ets_660_basic_observation),
    test!("ETS-661", reporting::ets_661_extended_observation),
    test!("ETS-670", device::ets_670_multiple_resource_instances),
    test!("ETS-680", device::ets_680_create_must_fail),
    test!("ETS-685", device::ets_685_delete_must_fail),
    test!("ETS-701", connectivity::ets_701_read),
    test!("ETS-705", connectivity::ets_705_write_must_fail),
    test!("ETS-710", connectivity::ets_710_basic_observation),
    test!("ETS-711", connectivity::ets_711_extended_observation),
    test!("ETS-720", connectivity::ets_720_multiple_resource_instances),
    test!("ETS-730", connectivity::ets_730_create),
    test!("ETS-735", connectivity::ets_735_delete),
    test!("ETS-751", firmware::ets_751_read),
    test!("ETS-755", firmware::ets_755_package),
    test!("ETS-756", firmware::ets_756_package_uri),
    test!("ETS-760", firmware::ets_760_observation_of_state),
    test!("ETS-770", firmware::ets_770_push_in_blocks),
    test!("ETS-771", firmware::ets_771_package_uri_of_another_scheme),
    test!("ETS-772", firmware::ets_772_without_a_package),
    test!("ETS-773", firmware::ets_773_shortage_of_storage),
    test!("ETS-774", firmware::ets_774_out_of_memory),
    test!("ETS-775", firmware::ets_775_connection_lost),
    test!("ETS-776", firmware::ets_776_integrity_check_failure),
    test!("ETS-777", firmware::ets_777_unsupported_package_type),
    test!("ETS-778", firmware::ets_778_invalid_uri),
    test!("ETS-779", firmware::ets_779_unsuccessful_update),
    test!("ETS-780", firmware::ets_780_unsupported_protocol),
    test!("ETS-801", location::ets_801_read),
    test!("ETS-805", location::ets_805_write_must_fail),
    test!("ETS-810", location::ets_810_basic_observation),
    test!("ETS-811", location::ets_811_extended_observation),
    test!("ETS-820", location::ets_820_multiple_resource_instances),
    test!("ETS-830", location::ets_830_create),
    test!("ETS-835", location::ets_835_delete),
    test!("ETS-901", statistics::ets_901_data_collection),
    test!("ETS-905", statistics::ets_905_collection_period),
    test!("ETS-910", statistics::ets_910_basic_observation),
    test!("ETS-911", statistics::ets_911_extended_observation),
    test!("ETS-920", statistics::ets_920_multiple_resource_instances),
    test!("ETS-930", statistics::ets_930_create),
    test!("ETS-935", statistics::ets_935_delete),
    test!("ETS-950", multi_server::ets_950_multi_servers_registration),
    test!(
        "ETS-951",
        multi_server::ets_951_multi_servers_and_attributes
    ),
    test!("ETS-1100-1199", software::ets_1100_1199_push),
    test!("ETS-1100-1199", software::ets_1100_1199_pull),
    test!(
        "ETS-1100-1199",
        software::ets_1100_1199_install_without_a_package
    ),
    test!("ETS-1100-1199", software::ets_1100_1199_failures),
    test!("ETS-1200", cellular::ets_1200_read_version_1_0),
    test!("ETS-1201", cellular::ets_1201_read_version_1_1),
    test!("ETS-1210", cellular::ets_1210_power_saving_mode),
    test!("ETS-1230", cellular::ets_1230_observation_of_power_saving),
    test!("ETS-1250", cellular::ets_1250_apn_configuration),
    test!("ETS-1630", operations::ets_1630_create_portfolio),
    test!("ETS-1635", operations::ets_1635_delete_portfolio),
];
