"""The field tables of OCPI 2.2.1, and what 2.1.1 and 2.3.0 have in their place, as the simulated parties check them.

A field is ``name:type`` with the cardinality behind it: none is mandatory, ``?`` may be absent, ``*`` is a list, ``+`` a list with at
least one item. ``ci36`` is a case-insensitive identifier, ``s255`` a text, with the most characters.
"""

from __future__ import annotations

from functools import cache

OBJECTS = {
    "Credentials": "token:s64 url:url roles:CredentialsRole+",
    "CredentialsRole": "role:Role business_details:BusinessDetails party_id:ci3 country_code:ci2",
    "Version": "version:VersionNumber url:url",
    "Endpoint": "identifier:ModuleID role:InterfaceRole url:url",
    "VersionDetails": "version:VersionNumber endpoints:Endpoint+",
    "BusinessDetails": "name:s100 website:url? logo:Image?",
    "Image": "url:url thumbnail:url? category:ImageCategory type:ci4 width:int? height:int?",
    "DisplayText": "language:s2 text:s512",
    "Location": (
        "country_code:ci2 party_id:ci3 id:ci36 publish:bool publish_allowed_to:PublishTokenType* name:s255? "
        "address:s255 city:s45 postal_code:s10? state:s45? country:s3 coordinates:GeoLocation "
        "related_locations:AdditionalGeoLocation* parking_type:ParkingType? evses:EVSE* directions:DisplayText* "
        "operator:BusinessDetails? suboperator:BusinessDetails? owner:BusinessDetails? facilities:Facility* "
        "time_zone:s255 opening_times:Hours? charging_when_closed:bool? images:Image* energy_mix:EnergyMix? "
        "last_updated:time"
    ),
    "EVSE": (
        "uid:ci36 evse_id:ci48? status:Status status_schedule:StatusSchedule* capabilities:Capability* "
        "connectors:Connector+ floor_level:s4? coordinates:GeoLocation? physical_reference:s16? "
        "directions:DisplayText* parking_restrictions:ParkingRestriction* images:Image* last_updated:time"
    ),
    "Connector": (
        "id:ci36 standard:ConnectorType format:ConnectorFormat power_type:PowerType max_voltage:int "
        "max_amperage:int max_electric_power:int? tariff_ids:ci36* terms_and_conditions:url? last_updated:time"
    ),
    "GeoLocation": "latitude:s10 longitude:s11",
    "AdditionalGeoLocation": "latitude:s10 longitude:s11 name:DisplayText?",
    "Hours": (
        "twentyfourseven:bool regular_hours:RegularHours* exceptional_openings:ExceptionalPeriod* exceptional_closings:ExceptionalPeriod*"
    ),
    "RegularHours": "weekday:int period_begin:s5 period_end:s5",
    "ExceptionalPeriod": "period_begin:time period_end:time",
    "StatusSchedule": "period_begin:time period_end:time? status:Status",
    "PublishTokenType": "uid:ci36? type:TokenType? visual_number:s64? issuer:s64? group_id:ci36?",
    "EnergyMix": (
        "is_green_energy:bool energy_sources:EnergySource* environ_impact:EnvironmentalImpact* supplier_name:s64? energy_product_name:s64?"
    ),
    "EnergySource": "source:EnergySourceCategory percentage:number",
    "EnvironmentalImpact": "category:EnvironmentalImpactCategory amount:number",
    "Tariff": (
        "country_code:ci2 party_id:ci3 id:ci36 currency:s3 type:TariffType? tariff_alt_text:DisplayText* "
        "tariff_alt_url:url? min_price:Price? max_price:Price? elements:TariffElement+ start_date_time:time? "
        "end_date_time:time? energy_mix:EnergyMix? last_updated:time"
    ),
    "TariffElement": "price_components:PriceComponent+ restrictions:TariffRestrictions?",
    "PriceComponent": "type:TariffDimensionType price:number vat:number? step_size:int",
    "TariffRestrictions": (
        "start_time:s5? end_time:s5? start_date:s10? end_date:s10? min_kwh:number? max_kwh:number? "
        "min_current:number? max_current:number? min_power:number? max_power:number? min_duration:int? "
        "max_duration:int? day_of_week:DayOfWeek* reservation:ReservationRestrictionType?"
    ),
    "Price": "excl_vat:number incl_vat:number?",
    "Session": (
        "country_code:ci2 party_id:ci3 id:ci36 start_date_time:time end_date_time:time? kwh:number "
        "cdr_token:CdrToken auth_method:AuthMethod authorization_reference:ci36? location_id:ci36 evse_uid:ci36 "
        "connector_id:ci36 meter_id:s255? currency:s3 charging_periods:ChargingPeriod* total_cost:Price? "
        "status:SessionStatus last_updated:time"
    ),
    "CdrToken": "country_code:ci2 party_id:ci3 uid:ci36 type:TokenType contract_id:ci36",
    "ChargingPeriod": "start_date_time:time dimensions:CdrDimension+ tariff_id:ci36?",
    "CdrDimension": "type:CdrDimensionType volume:number",
    "CDR": (
        "country_code:ci2 party_id:ci3 id:ci39 start_date_time:time end_date_time:time session_id:ci36? "
        "cdr_token:CdrToken auth_method:AuthMethod authorization_reference:ci36? cdr_location:CdrLocation "
        "meter_id:s255? currency:s3 tariffs:Tariff* charging_periods:ChargingPeriod+ signed_data:SignedData? "
        "total_cost:Price total_fixed_cost:Price? total_energy:number total_energy_cost:Price? total_time:number "
        "total_time_cost:Price? total_parking_time:number? total_parking_cost:Price? total_reservation_cost:Price? "
        "remark:s255? invoice_reference_id:ci39? credit:bool? credit_reference_id:ci39? "
        "home_charging_compensation:bool? last_updated:time"
    ),
    "CdrLocation": (
        "id:ci36 name:s255? address:s45 city:s45 postal_code:s10? state:s20? country:s3 coordinates:GeoLocation "
        "evse_uid:ci36 evse_id:ci48 connector_id:ci36 connector_standard:ConnectorType "
        "connector_format:ConnectorFormat connector_power_type:PowerType"
    ),
    "SignedData": "encoding_method:ci36 encoding_method_version:int? public_key:s512? signed_values:SignedValue+ url:s512?",
    "SignedValue": "nature:ci32 plain_data:s5000 signed_data:s5000",
    "Token": (
        "country_code:ci2 party_id:ci3 uid:ci36 type:TokenType contract_id:ci36 visual_number:s64? issuer:s64 "
        "group_id:ci36? valid:bool whitelist:WhitelistType language:s2? default_profile_type:ProfileType? "
        "energy_contract:EnergyContract? last_updated:time"
    ),
    "EnergyContract": "supplier_name:s64 contract_id:s64?",
    "LocationReferences": "location_id:ci36 evse_uids:ci36*",
    "AuthorizationInfo": ("allowed:AllowedType token:Token location:LocationReferences? authorization_reference:ci36? info:DisplayText?"),
    "StartSession": ("response_url:url token:Token location_id:ci36 evse_uid:ci36? connector_id:ci36? authorization_reference:ci36?"),
    "StopSession": "response_url:url session_id:ci36",
    "ReserveNow": (
        "response_url:url token:Token expiry_date:time reservation_id:ci36 location_id:ci36 evse_uid:ci36? authorization_reference:ci36?"
    ),
    "CancelReservation": "response_url:url reservation_id:ci36",
    "UnlockConnector": "response_url:url location_id:ci36 evse_uid:ci36 connector_id:ci36",
    "CommandResponse": "result:CommandResponseType timeout:int message:DisplayText*",
    "CommandResult": "result:CommandResultType message:DisplayText*",
    "ChargingProfile": (
        "start_date_time:time? duration:int? charging_rate_unit:ChargingRateUnit min_charging_rate:number? "
        "charging_profile_period:ChargingProfilePeriod*"
    ),
    "ChargingProfilePeriod": "start_period:int limit:number",
    "ActiveChargingProfile": "start_date_time:time charging_profile:ChargingProfile",
    "ChargingProfileResponse": "result:ChargingProfileResponseType timeout:int",
    "ActiveChargingProfileResult": "result:ChargingProfileResultType profile:ActiveChargingProfile?",
    "ChargingProfileResult": "result:ChargingProfileResultType",
    "ClearProfileResult": "result:ChargingProfileResultType",
    "ClientInfo": "party_id:ci3 country_code:ci2 role:Role status:ConnectionStatus last_updated:time",
}

ENUMS = {
    "AllowedType": "ALLOWED BLOCKED EXPIRED NO_CREDIT NOT_ALLOWED",
    "AuthMethod": "AUTH_REQUEST COMMAND WHITELIST",
    "Capability": (
        "CHARGING_PROFILE_CAPABLE CHARGING_PREFERENCES_CAPABLE CHIP_CARD_SUPPORT CONTACTLESS_CARD_SUPPORT "
        "CREDIT_CARD_PAYABLE DEBIT_CARD_PAYABLE PED_TERMINAL REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER "
        "START_SESSION_CONNECTOR_REQUIRED TOKEN_GROUP_CAPABLE UNLOCK_CAPABLE"
    ),
    "CdrDimensionType": (
        "CURRENT ENERGY ENERGY_EXPORT ENERGY_IMPORT MAX_CURRENT MIN_CURRENT MAX_POWER MIN_POWER PARKING_TIME POWER "
        "RESERVATION_TIME STATE_OF_CHARGE TIME"
    ),
    "ChargingPreferencesResponse": "ACCEPTED DEPARTURE_REQUIRED ENERGY_NEED_REQUIRED NOT_POSSIBLE PROFILE_TYPE_NOT_SUPPORTED",
    "ChargingProfileResponseType": "ACCEPTED NOT_SUPPORTED REJECTED TOO_OFTEN UNKNOWN_SESSION",
    "ChargingProfileResultType": "ACCEPTED REJECTED UNKNOWN",
    "ChargingRateUnit": "A W",
    "CommandResponseType": "NOT_SUPPORTED REJECTED ACCEPTED UNKNOWN_SESSION",
    "CommandResultType": (
        "ACCEPTED CANCELED_RESERVATION EVSE_OCCUPIED EVSE_INOPERATIVE FAILED NOT_SUPPORTED REJECTED TIMEOUT UNKNOWN_RESERVATION"
    ),
    "ConnectionStatus": "CONNECTED OFFLINE PLANNED SUSPENDED",
    "ConnectorFormat": "SOCKET CABLE",
    "ConnectorType": (
        "CHADEMO CHAOJI DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H "
        "DOMESTIC_I DOMESTIC_J DOMESTIC_K DOMESTIC_L DOMESTIC_M DOMESTIC_N DOMESTIC_O GBT_AC GBT_DC "
        "IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 "
        "IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C NEMA_5_20 NEMA_6_30 "
        "NEMA_6_50 NEMA_10_30 NEMA_10_50 NEMA_14_30 NEMA_14_50 PANTOGRAPH_BOTTOM_UP PANTOGRAPH_TOP_DOWN TESLA_R "
        "TESLA_S"
    ),
    "DayOfWeek": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "EnergySourceCategory": "NUCLEAR GENERAL_FOSSIL COAL GAS GENERAL_GREEN SOLAR WIND WATER",
    "EnvironmentalImpactCategory": "NUCLEAR_WASTE CARBON_DIOXIDE",
    "Facility": (
        "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BIKE_SHARING BUS_STOP "
        "TAXI_STAND TRAM_STOP METRO_STATION TRAIN_STATION AIRPORT PARKING_LOT CARPOOL_PARKING FUEL_STATION WIFI"
    ),
    "ImageCategory": "CHARGER ENTRANCE LOCATION NETWORK OPERATOR OTHER OWNER",
    "InterfaceRole": "SENDER RECEIVER",
    "ModuleID": "cdrs chargingprofiles commands credentials hubclientinfo locations sessions tariffs tokens",
    "ParkingRestriction": "EV_ONLY PLUGGED DISABLED CUSTOMERS MOTORCYCLES",
    "ParkingType": "ALONG_MOTORWAY PARKING_GARAGE PARKING_LOT ON_DRIVEWAY ON_STREET UNDERGROUND_GARAGE",
    "PowerType": "AC_1_PHASE AC_2_PHASE AC_2_PHASE_SPLIT AC_3_PHASE DC",
    "ProfileType": "CHEAP FAST GREEN REGULAR",
    "ReservationRestrictionType": "RESERVATION RESERVATION_EXPIRES",
    "Role": "CPO EMSP HUB NAP NSP OTHER SCSP",
    "SessionStatus": "ACTIVE COMPLETED INVALID PENDING RESERVATION",
    "Status": "AVAILABLE BLOCKED CHARGING INOPERATIVE OUTOFORDER PLANNED REMOVED RESERVED UNKNOWN",
    "TariffDimensionType": "ENERGY FLAT PARKING_TIME TIME",
    "TariffType": "AD_HOC_PAYMENT PROFILE_CHEAP PROFILE_FAST PROFILE_GREEN REGULAR",
    "TokenType": "AD_HOC_USER APP_USER OTHER RFID",
    "VersionNumber": "2.0 2.1 2.1.1 2.2 2.2.1",
    "WhitelistType": "ALWAYS ALLOWED ALLOWED_OFFLINE NEVER",
}

_OLDER_OBJECTS = {
    "Credentials": "token:s64 url:url business_details:BusinessDetails party_id:s3 country_code:s2",
    "Endpoint": "identifier:ModuleID url:url",
    "Image": "url:url thumbnail:url? category:ImageCategory type:s4 width:int? height:int?",
    "Location": (
        "id:s39 type:LocationType name:s255? address:s45 city:s45 postal_code:s10 country:s3 coordinates:GeoLocation "
        "related_locations:AdditionalGeoLocation* evses:EVSE* directions:DisplayText* operator:BusinessDetails? "
        "suboperator:BusinessDetails? owner:BusinessDetails? facilities:Facility* time_zone:s255? opening_times:Hours? "
        "charging_when_closed:bool? images:Image* energy_mix:EnergyMix? last_updated:time"
    ),
    "EVSE": (
        "uid:s39 evse_id:s48? status:Status status_schedule:StatusSchedule* capabilities:Capability* "
        "connectors:Connector+ floor_level:s4? coordinates:GeoLocation? physical_reference:s16? "
        "directions:DisplayText* parking_restrictions:ParkingRestriction* images:Image* last_updated:time"
    ),
    "Connector": (
        "id:s36 standard:ConnectorType format:ConnectorFormat power_type:PowerType voltage:int amperage:int tariff_id:s36? "
        "terms_and_conditions:url? last_updated:time"
    ),
    "Hours": (
        "regular_hours:RegularHours* twentyfourseven:bool? exceptional_openings:ExceptionalPeriod* exceptional_closings:ExceptionalPeriod*"
    ),
    "EnvironmentalImpact": "source:EnvironmentalImpactCategory amount:number",
    "Tariff": (
        "id:s36 currency:s3 tariff_alt_text:DisplayText* tariff_alt_url:url? elements:TariffElement+ energy_mix:EnergyMix? "
        "last_updated:time"
    ),
    "PriceComponent": "type:TariffDimensionType price:number step_size:int",
    "TariffRestrictions": (
        "start_time:s5? end_time:s5? start_date:s10? end_date:s10? min_kwh:number? max_kwh:number? min_power:number? "
        "max_power:number? min_duration:int? max_duration:int? day_of_week:DayOfWeek*"
    ),
    "Session": (
        "id:s36 start_datetime:time end_datetime:time? kwh:number auth_id:s36 auth_method:AuthMethod location:Location "
        "meter_id:s255? currency:s3 charging_periods:ChargingPeriod* total_cost:number? status:SessionStatus last_updated:time"
    ),
    "ChargingPeriod": "start_date_time:time dimensions:CdrDimension+",
    "CDR": (
        "id:ci36 start_date_time:time stop_date_time:time auth_id:s36 auth_method:AuthMethod location:Location meter_id:s255? "
        "currency:s3 tariffs:Tariff* charging_periods:ChargingPeriod+ total_cost:number total_energy:number total_time:number "
        "total_parking_time:number? remark:s255? last_updated:time"
    ),
    "Token": (
        "uid:s36 type:TokenType auth_id:s36 visual_number:s64? issuer:s64 valid:bool whitelist:WhitelistType language:s2? last_updated:time"
    ),
    "LocationReferences": "location_id:s39 evse_uids:s39* connector_ids:s36*",
    "AuthorizationInfo": "allowed:Allowed location:LocationReferences? info:DisplayText?",
    "StartSession": "response_url:url token:Token location_id:s39 evse_uid:s39?",
    "StopSession": "response_url:url session_id:s36",
    "ReserveNow": "response_url:url token:Token expiry_date:time reservation_id:int location_id:s39 evse_uid:s39?",
    "UnlockConnector": "response_url:url location_id:s39 evse_uid:s39 connector_id:s36",
    "CommandResponse": "result:CommandResponseType",
}
_GONE_OBJECTS = frozenset({
    "CredentialsRole", "PublishTokenType", "Price", "CdrToken", "CdrLocation", "SignedData", "SignedValue", "EnergyContract",
    "CancelReservation", "CommandResult", "ChargingProfile", "ChargingProfilePeriod", "ActiveChargingProfile", "ChargingProfileResponse",
    "ActiveChargingProfileResult", "ChargingProfileResult", "ClearProfileResult", "ClientInfo",
})  # fmt: skip
"""What 2.1.1 does not have."""

_OLDER_ENUMS = {
    "Allowed": ENUMS["AllowedType"],
    "AuthMethod": "AUTH_REQUEST WHITELIST",
    "Capability": ("CHARGING_PROFILE_CAPABLE CREDIT_CARD_PAYABLE REMOTE_START_STOP_CAPABLE RESERVABLE RFID_READER UNLOCK_CAPABLE"),
    "CdrDimensionType": "ENERGY FLAT MAX_CURRENT MIN_CURRENT PARKING_TIME TIME",
    "CommandResponseType": "NOT_SUPPORTED REJECTED ACCEPTED TIMEOUT UNKNOWN_SESSION",
    "ConnectorType": (
        "CHADEMO DOMESTIC_A DOMESTIC_B DOMESTIC_C DOMESTIC_D DOMESTIC_E DOMESTIC_F DOMESTIC_G DOMESTIC_H DOMESTIC_I DOMESTIC_J "
        "DOMESTIC_K DOMESTIC_L IEC_60309_2_single_16 IEC_60309_2_three_16 IEC_60309_2_three_32 IEC_60309_2_three_64 IEC_62196_T1 "
        "IEC_62196_T1_COMBO IEC_62196_T2 IEC_62196_T2_COMBO IEC_62196_T3A IEC_62196_T3C TESLA_R TESLA_S"
    ),
    "Facility": (
        "HOTEL RESTAURANT CAFE MALL SUPERMARKET SPORT RECREATION_AREA NATURE MUSEUM BUS_STOP TAXI_STAND TRAIN_STATION AIRPORT "
        "CARPOOL_PARKING FUEL_STATION WIFI"
    ),
    "LocationType": "ON_STREET OTHER PARKING_GARAGE PARKING_LOT UNDERGROUND_GARAGE UNKNOWN",
    "ModuleID": "cdrs commands credentials locations sessions tariffs tokens",
    "PowerType": "AC_1_PHASE AC_3_PHASE DC",
    "SessionStatus": "ACTIVE COMPLETED INVALID PENDING",
    "TokenType": "OTHER RFID",
    "VersionNumber": "2.0 2.1 2.1.1",
}
_GONE_ENUMS = frozenset({
    "AllowedType", "CommandResultType", "InterfaceRole", "ParkingType", "ProfileType", "ReservationRestrictionType", "Role", "TariffType",
    "ChargingPreferencesResponse", "ChargingProfileResponseType", "ChargingProfileResultType", "ChargingRateUnit", "ConnectionStatus",
})  # fmt: skip

_NEWER_OBJECTS = {
    "Credentials": "token:s64 url:url hub_party_id:ci5? roles:CredentialsRole+",
    "Location": OBJECTS["Location"].replace(" directions", " parking_places:Parking* directions") + " help_phone:ci25?",
    "EVSE": OBJECTS["EVSE"] + " parking:EVSEParking* accepted_service_providers:s50*",
    "Connector": OBJECTS["Connector"] + " capabilities:ConnectorCapability*",
    "Parking": (
        "id:ci36 physical_reference:s12? vehicle_types:VehicleType+ max_vehicle_weight:number? max_vehicle_height:number? "
        "max_vehicle_length:number? max_vehicle_width:number? parking_space_length:number? parking_space_width:number? "
        "dangerous_goods_allowed:bool? direction:ParkingDirection? drive_through:bool? restricted_to_type:bool "
        "reservation_required:bool time_limit:number? roofed:bool? images:Image* lighting:bool? refrigeration_outlet:bool? "
        "standards:ci36* apds_reference:ci255?"
    ),
    "EVSEParking": "parking_id:ci36 evse_position:EVSEPosition?",
    "Tariff": OBJECTS["Tariff"].replace(":Price?", ":PriceLimit?") + " tax_included:TaxIncluded",
    "PriceLimit": "before_taxes:number after_taxes:number?",
    "Price": "before_taxes:number taxes:TaxAmount*",
    "TaxAmount": "name:s255 account_number:s255? percentage:number? amount:number",
}
_NEWER_ENUMS = {
    "ConnectorCapability": "ISO_15118_20_PLUG_AND_CHARGE ISO_15118_2_PLUG_AND_CHARGE",
    "ConnectorType": ENUMS["ConnectorType"] + " MCS SAE_J3400",
    "EVSEPosition": "CENTER LEFT RIGHT",
    "ParkingDirection": "ANGLE PARALLEL PERPENDICULAR",
    "ParkingRestriction": ENUMS["ParkingRestriction"] + " EMPLOYEES TAXIS TENANTS",
    "Role": "CPO EMSP NAP NSP OTHER SCSP",
    "TaxIncluded": "YES NO N/A",
    "TokenType": ENUMS["TokenType"] + " EMAID",
    "VehicleType": ("BUS DISABLED MOTORCYCLE PERSONAL_VEHICLE PERSONAL_VEHICLE_WITH_TRAILER RIGID SEMI_TRACTOR TRUCK_WITH_TRAILER VAN"),
    "VersionNumber": ENUMS["VersionNumber"] + " 2.3.0",
}
OPEN = frozenset({
    "Capability", "ConnectorCapability", "ConnectorType", "EnvironmentalImpactCategory", "Facility", "ImageCategory", "ModuleID",
    "ParkingRestriction", "ParkingType", "TokenType", "VehicleType", "VersionNumber",
})  # fmt: skip
"""Enumerations that 2.3.0 opens: other values are legal."""


@cache
def objects(version: str) -> dict[str, str]:
    """The objects of a version."""
    if version == "2.1.1":
        return {name: text for name, text in OBJECTS.items() if name not in _GONE_OBJECTS} | _OLDER_OBJECTS
    return OBJECTS | (_NEWER_OBJECTS if version == "2.3.0" else {})


@cache
def enums(version: str) -> dict[str, str]:
    """The enumerations of a version."""
    if version == "2.1.1":
        return {name: text for name, text in ENUMS.items() if name not in _GONE_ENUMS} | _OLDER_ENUMS
    return ENUMS | (_NEWER_ENUMS if version == "2.3.0" else {})
