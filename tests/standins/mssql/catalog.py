"""The procedures of the server itself that the drivers call."""

from .columns import columns
from .script import Result

_DESCRIBED = columns(
    """parameter_ordinal int NOT NULL, name nvarchar(128) NOT NULL,
    suggested_system_type_id int NOT NULL, suggested_system_type_name nvarchar(256),
    suggested_max_length smallint NOT NULL, suggested_precision tinyint NOT NULL,
    suggested_scale tinyint NOT NULL, suggested_user_type_id int,
    suggested_user_type_database nvarchar(128), suggested_user_type_schema nvarchar(128),
    suggested_user_type_name nvarchar(128),
    suggested_assembly_qualified_type_name nvarchar(4000),
    suggested_xml_collection_id int, suggested_xml_collection_database nvarchar(128),
    suggested_xml_collection_schema nvarchar(128), suggested_xml_collection_name nvarchar(128),
    suggested_is_xml_document bit NOT NULL, suggested_is_case_sensitive bit NOT NULL,
    suggested_is_fixed_length_clr_type bit NOT NULL, suggested_is_input bit NOT NULL,
    suggested_is_output bit NOT NULL, formal_parameter_name nvarchar(128),
    suggested_tds_type_id int NOT NULL, suggested_tds_length int NOT NULL"""
)


def describe_parameters(parameters):
    """Answer sp_describe_undeclared_parameters for columns as parameters."""
    rows = [_described(number, one.type) for number, one in enumerate(parameters, 1)]
    return Result(_DESCRIBED, rows)


def _described(number, of):
    size = 0xFFFF if of.max_length == -1 else of.max_length
    return (
        *(number, f"@P{number}", of.system_id, of.name),
        *(max(-1, min(of.max_length, 0x7FFF)), of.precision, of.scale),
        *(None,) * 9,
        *(False, False, False, True, False, None),
        *(of.info[0], size),
    )


_TYPES = columns(
    """TYPE_NAME nvarchar(128) NOT NULL, DATA_TYPE smallint NOT NULL, PRECISION int,
    LITERAL_PREFIX varchar(32), LITERAL_SUFFIX varchar(32), CREATE_PARAMS varchar(32),
    NULLABLE smallint NOT NULL, CASE_SENSITIVE smallint NOT NULL, SEARCHABLE smallint NOT NULL,
    UNSIGNED_ATTRIBUTE smallint, MONEY smallint NOT NULL, AUTO_INCREMENT smallint,
    LOCAL_TYPE_NAME nvarchar(128), MINIMUM_SCALE smallint, MAXIMUM_SCALE smallint,
    SQL_DATA_TYPE smallint NOT NULL, SQL_DATETIME_SUB smallint, NUM_PREC_RADIX int,
    INTERVAL_PRECISION smallint, USERTYPE smallint"""
)
_LONGEST = {
    12: ("varchar", 8000),
    -9: ("nvarchar", 4000),
    -3: ("varbinary", 8000),
    93: ("datetime2", 27),
}
"""ODBC's number of a type: its name and its greatest length. pyodbc asks for these four."""


def describe_type(number):
    """Answer sp_datatype_info_100 for one of ODBC's types."""
    return Result(_TYPES, [_type(number, *_LONGEST[number])] if number in _LONGEST else [])


def _type(number, name, length):
    return (
        *(name, number, length, "'", "'", "max length", 1, 0, 3),
        *(None, 0, None, name, None, None, number, None, None, None, None),
    )
