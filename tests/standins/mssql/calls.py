"""Calls of the server's own procedures, by which the drivers run statements."""

import itertools

from . import answers, catalog
from .script import SQLError, missing_statement


class Calls:
    """
    The calls of one session, and the statements that it has prepared.

    *run* runs a statement: from (how, its text, its values) to its answers.
    """

    def __init__(self, script, run):
        self._script = script
        self._run = run
        self._prepared = {}
        self._handles = itertools.count(1)

    def forget(self):
        self._prepared.clear()

    def answer(self, call):
        """Give the answers of a call, and the handle of a statement that it has prepared."""
        if call.procedure in _PROCEDURES:
            return _PROCEDURES[call.procedure](self, *call.parameters)
        return self._stored_procedure(call.procedure, call.parameters), None

    def _executesql(self, sql, _types="", *values):
        return self._run("sp_executesql", sql, values), None

    def _prepexec(self, _handle, _types, sql, *values):
        made = self._run("sp_prepexec", sql, values)
        return answers.prepared_in_vain(made), self._prepare_it(sql)

    def _prepare(self, _handle, _types, sql, _options=0):
        return [], self._prepare_it(sql)

    def _prepare_it(self, sql):
        handle = next(self._handles)
        self._prepared[handle] = sql
        return handle

    def _execute(self, handle, *values):
        if handle not in self._prepared:
            text = f"Could not find prepared statement with handle {handle}."
            return [SQLError(8179, text, state=2)], None
        return self._run("sp_execute", self._prepared[handle], values), None

    def _unprepare(self, handle):
        self._prepared.pop(handle, None)
        return [], None

    def _describe_parameters(self, sql, *_):
        known = self._script.find(sql)
        if known is None:
            return [missing_statement(sql, self._script.statements)], None
        return [catalog.describe_parameters(known.parameters)], None

    def _describe_type(self, number, *_):
        return [catalog.describe_type(number)], None

    def _prepexecrpc(self, _handle, name, *values):
        return self._stored_procedure(name, values), self._prepare_it(f"EXEC {name}")

    def _stored_procedure(self, name, values):
        if self._script.find(f"EXEC {name}") is None:
            return [SQLError(2812, f"Could not find stored procedure '{name}'.", state=62)]
        return self._run("RPC", f"EXEC {name}", values)


_PROCEDURES = {
    "sp_executesql": Calls._executesql,
    "sp_prepexec": Calls._prepexec,
    "sp_prepare": Calls._prepare,
    "sp_execute": Calls._execute,
    "sp_prepexecrpc": Calls._prepexecrpc,
    "sp_unprepare": Calls._unprepare,
    "sp_describe_undeclared_parameters": Calls._describe_parameters,
    "sp_datatype_info_100": Calls._describe_type,
}
