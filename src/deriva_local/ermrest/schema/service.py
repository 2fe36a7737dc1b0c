"""Answers requests to model resources: reads the model, or changes it in one transaction.

In: a call whose path begins with `schema`, `annotation` or `acl`. Out: ERMrest's answers
(`docs/api-doc/model/rest.md`). What a change does is decided by pure functions of the neighbours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from deriva_local.auth.client import Client
from deriva_local.ermrest import access, answers
from deriva_local.ermrest.data.call import DataAnswer, DataCall
from deriva_local.ermrest.schema import address as addresses
from deriva_local.ermrest.schema import alter, attach, create, definitions, elements
from deriva_local.ermrest.schema.address import Address
from deriva_local.errors import BadRequest, Forbidden, MethodNotAllowed
from deriva_local.model import ForeignKey, Json, Key, Model, documents, snaptime
from deriva_local.recent import Recent
from deriva_local.store import Catalog, Reading

# A change of the model: the new model, and the answer made from it.
Change = tuple[Model, DataAnswer]
_rendered: Recent[tuple[Catalog, str, bool], bytes] = Recent(32)


def handle(call: DataCall) -> DataAnswer:
    """Answer one request to a model resource."""
    address = addresses.parse(call.path)
    if call.method in ("GET", "HEAD"):
        return _get(call, address)
    if call.snap is not None:
        raise Forbidden("A snapshot cannot be changed; address the catalog without @….")
    content = _content(call, address)
    with call.catalog.writing(call.client) as transaction:
        answers.check_model(call, transaction)
        model, answer = _change(call, transaction.model, address, content)
        if model != transaction.model:
            transaction.replace_model(model)
    return dataclasses.replace(
        answer, headers={**answer.headers, "ETag": answers.etag(transaction.model_version, call.client)}
    )


def _get(call: DataCall, address: Address) -> DataAnswer:
    with call.catalog.reading(call.snap) as reading:
        model = reading.model
        if address.part in ("acl", "acl_binding"):
            _require_owner(call.client, model, address)
        access.require(call.client, "enumerate", model)
        tag = answers.etag(reading.model_version, call.client)
        if answers.is_unwanted(call, tag):
            return DataAnswer(304, {"ETag": tag})
    headers = {"ETag": tag}
    if address.part == "comment":
        return answers.as_text(attach.read(model, address) + "\n")
    if address.part is not None:
        return answers.as_json(attach.read(model, address), headers=headers)
    if address.kind == "schemas":
        return answers.as_json_text(_whole_model(reading, call, tag), headers)
    return answers.as_json(_document(reading, call.client, address), headers=headers)


def _whole_model(reading: Reading, call: DataCall, tag: str) -> bytes:
    """The document of the whole model. Clients read it again and again; `tag` names model and rights, so it is kept."""
    key = (call.catalog, tag, reading.snap is None)
    kept = _rendered.get(key)
    if kept is None:
        kept = answers.json_text(_document(reading, call.client, Address("schemas")))
        _rendered.put(key, kept)
    return kept


def _document(reading: Reading, client: Client | None, address: Address) -> Json:
    """The document of the addressed element."""
    model = reading.model
    rights_of = partial(access.rights, client, now=reading.snap is None)
    if address.kind == "schemas":
        return documents.model(model, snaptime.encode(reading.model_version), rights_of)
    if address.kind == "schema":
        return documents.schema(elements.schema_of(model, address), model, rights_of)
    if address.kind == "tables":
        tables = elements.schema_of(model, address).tables.values()
        return [documents.table(table, model, rights_of) for table in tables]
    return _document_of_table_part(model, rights_of, address)


def _document_of_table_part(model: Model, rights_of: documents.RightsOf, address: Address) -> Json:
    table = elements.table_of(model, address)
    whole = documents.table(table, model, rights_of)
    rights = whole["rights"]
    match address.kind:
        case "table":
            return whole
        case "columns":
            return whole["column_definitions"]
        case "keys":
            return whole["keys"]
        case "column":
            return documents.column(elements.column_of(model, address), rights)
        case "key":
            return documents.key(elements.key_of(model, address), table)
    return [documents.foreign_key(fkey, table, model, rights) for fkey in elements.foreign_keys_of(model, address)]


def _content(call: DataCall, address: Address) -> Json:
    """The body as far as the request has one: text for comments, else JSON."""
    if call.method == "DELETE":
        return None
    if address.part == "comment":
        return answers.whole(call.body).decode("utf-8", "replace")
    if call.method == "POST" and address.kind == "schema":
        answers.whole(call.body)
        return {}
    return answers.json_body(call)


def _change(call: DataCall, model: Model, address: Address, content: Json) -> Change:
    if address.part is not None:
        return _change_part(call, model, address, content)
    actions: Mapping[str, Callable[[Client | None, Model, Address, Json], Change]] = {
        "POST": _create,
        "PUT": _alter,
        "DELETE": _drop,
    }
    if call.method not in actions:
        raise MethodNotAllowed(f"{call.method} is not answered here.")
    return actions[call.method](call.client, model, address, content)


def _change_part(call: DataCall, model: Model, address: Address, content: Json) -> Change:
    """Annotations, comments, ACLs: only owners set them."""
    _require_owner(call.client, model, address)
    if call.method not in ("PUT", "DELETE"):
        raise MethodNotAllowed(f"{call.method} is not answered here; use PUT.")
    removing = call.method == "DELETE"
    changed = attach.remove(model, address) if removing else attach.write(model, address, content)
    if address.part == "acl":
        _require_still_owner(call.client, changed, address)
    if removing:
        return changed, answers.empty()
    if address.part in ("acl", "acl_binding"):
        return changed, answers.empty(200)
    is_new = address.part == "annotation" and address.part_name is not None and not attach.exists(model, address)
    return changed, answers.empty(201 if is_new else 204)


def _create(client: Client | None, model: Model, address: Address, content: Json) -> Change:
    match address.kind:
        case "schemas":
            return _create_batch(client, model, content)
        case "schema":
            return _create_schema(client, model, address)
        case "tables":
            return _create_table(client, model, address, content)
    _require_owner(client, model, address)
    rights = partial(access.rights, client)
    of = elements.table_of(model, address)
    match address.kind:
        case "columns":
            definition = definitions.column(content)
            model = create.column(model, of, definition)
            of = elements.table_of(model, address)
            made = documents.column(of.column(definition.name), rights(model, model.schemas[of.schema_name], of))
        case "keys":
            model = create.key(model, of, definitions.key(content))
            of = elements.table_of(model, address)
            made = documents.key(of.keys[-1], of)
        case "foreignkeys" if address.columns is None:
            model = create.foreign_key(model, _foreign_key_here(content, address))
            of = elements.table_of(model, address)
            made = _foreign_key_document(client, model, address, of.foreign_keys[-1])
            return model, answers.as_json([made], 201)
        case _:
            raise MethodNotAllowed("POST is not answered here.")
    return model, answers.as_json(made, 201)


def _foreign_key_here(content: Json, address: Address) -> definitions.ForeignKeyDef:
    """The definition of a foreign key of the addressed table."""
    here = (address.schema, address.table)
    definition = definitions.foreign_key(content, here)
    if definition.table != here:
        raise BadRequest(f"foreign_key_columns are of {definition.table}, the address names {here}.")
    return definition


def _create_batch(client: Client | None, model: Model, content: Json) -> Change:
    wanted = definitions.batch(content)
    if any(isinstance(definition, definitions.SchemaDef) for definition in wanted):
        access.require(client, "create", model)
    for definition in wanted:
        if isinstance(definition, definitions.TableDef) and definition.schema in model.schemas:
            access.require(client, "create", model, model.schemas[definition.schema])
    changed = create.batch(model, wanted, _owner(client, model))
    return changed, answers.as_json(_batch_documents(client, changed, content, wanted), 201)


def _batch_documents(
    client: Client | None,
    model: Model,
    content: Json,
    wanted: Iterable[definitions.SchemaDef | definitions.TableDef | definitions.ForeignKeyDef],
) -> Json:
    """What was created, in the form of the request: a list, or an object of schemas."""
    rights_of = partial(access.rights, client)
    made: list[Json] = []
    for definition in wanted:
        match definition:
            case definitions.SchemaDef():
                made.append(documents.schema(model.schemas[definition.name], model, rights_of))
            case definitions.TableDef():
                made.append(documents.table(model.table(definition.schema, definition.name), model, rights_of))
            case definitions.ForeignKeyDef():
                at = Address(
                    "foreignkeys", *definition.table, definition.columns, definition.to_table, definition.to_columns
                )
                made.append(_foreign_key_document(client, model, at, elements.foreign_key_of(model, at)))
    if isinstance(content, Mapping):
        return {"schemas": {document["schema_name"]: document for document in made}}
    return made


def _create_schema(client: Client | None, model: Model, address: Address) -> Change:
    access.require(client, "create", model)
    assert address.schema is not None
    definition = definitions.schema({}, address.schema)
    changed = create.schema(model, definition, _owner(client, model))
    return changed, answers.as_json(
        documents.schema(changed.schemas[address.schema], changed, partial(access.rights, client)), 201
    )


def _create_table(client: Client | None, model: Model, address: Address, content: Json) -> Change:
    schema = elements.schema_of(model, address)
    access.require(client, "create", model, schema)
    definition = definitions.table(content, schema.name)
    changed = create.batch(model, [definition], _owner(client, model))
    table = changed.table(schema.name, definition.name)
    return changed, answers.as_json(documents.table(table, changed, partial(access.rights, client)), 201)


def _alter(client: Client | None, model: Model, address: Address, content: Json) -> Change:
    _require_owner(client, model, address)
    if address.kind == "foreignkeys" and isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, Mapping):
        raise BadRequest(f"The body must be a JSON object of what to change, not {content!r:.80}.")
    alterations = {
        "schema": alter.schema,
        "table": alter.table,
        "column": alter.column,
        "key": alter.key,
        "foreignkeys": alter.foreign_key,
    }
    if address.kind not in alterations:
        raise MethodNotAllowed("PUT is not answered here.")
    changed, moved = alterations[address.kind](model, address, content)
    element = elements.element_of(changed, moved)
    if "acls" in content and not isinstance(element, Key):
        attach.check_acls(type(element), element.acls)
    if address.kind == "foreignkeys":
        assert isinstance(element, ForeignKey)
        return changed, answers.as_json(_foreign_key_document(client, changed, moved, element))
    return changed, answers.as_json(_altered_document(client, changed, moved))


def _altered_document(client: Client | None, model: Model, address: Address) -> Json:
    rights_of = partial(access.rights, client)
    if address.kind == "schema":
        return documents.schema(elements.schema_of(model, address), model, rights_of)
    return _document_of_table_part(model, rights_of, address)


def _drop(client: Client | None, model: Model, address: Address, content: Json) -> Change:
    _require_owner(client, model, address)
    drops = {
        "schema": alter.drop_schema,
        "table": alter.drop_table,
        "column": alter.drop_column,
        "key": alter.drop_key,
        "foreignkeys": alter.drop_foreign_keys,
    }
    if address.kind not in drops:
        raise MethodNotAllowed("DELETE is not answered here.")
    return drops[address.kind](model, address), answers.empty()


def _foreign_key_document(client: Client | None, model: Model, address: Address, fkey: ForeignKey) -> Json:
    table = elements.table_of(model, address)
    rights = access.rights(client, model, model.schemas[table.schema_name], table)
    return documents.foreign_key(fkey, table, model, rights)


def _owner(client: Client | None, model: Model) -> list[str] | None:
    """Who owns what `client` creates: nobody besides the catalog's owners if it is one of these."""
    return None if client is None or access.owns(client, model.acls) else [client.id]


def _require_owner(client: Client | None, model: Model, address: Address) -> None:
    schema = elements.schema_of(model, address) if address.schema is not None else None
    table = elements.table_of(model, address) if address.table is not None else None
    access.require(client, "owner", model, schema, table)


def _require_still_owner(client: Client | None, model: Model, address: Address) -> None:
    """Nobody can lock itself out."""
    if address.kind == "catalog" and client is not None and not access.owns(client, model.acls):
        raise Forbidden(f"The owner ACL must still name you ({client.id}) or one of your groups.")
