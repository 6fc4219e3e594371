"""A session of PyMongo with docdb: session.py URI. Says what it found by assertions and prints "python ok" at the end.

It keeps to what PyMongo 3.11 (Debian's) and 4.x have in common.
"""
import datetime
import decimal
import sys
import threading

import gridfs
import pymongo
from bson import Binary, Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo import ASCENDING, DESCENDING, DeleteMany, DeleteOne, IndexModel, InsertOne, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.collation import Collation
from pymongo.errors import BulkWriteError, CollectionInvalid, DuplicateKeyError, ExecutionTimeout, InvalidOperation, OperationFailure, WriteError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern


def fails(kind, f, code=None):
    try:
        f()
    except kind as e:
        assert code is None or e.code == code, (e.code, e)
        return e
    raise AssertionError("no failure")


client = pymongo.MongoClient(sys.argv[1], retryWrites=True, appname="session")
client.drop_database("python")
db = client.python

# the server
assert client.server_info()["versionArray"][0] == 8
assert client.admin.command("ping")["ok"] == 1
assert client.is_primary
assert fails(OperationFailure, lambda: db.command("nonsense"), 59)

# documents of every type, in and out
every = {
    "_id": ObjectId(), "double": 1.5, "int": 7, "long": Int64(2**53 + 1), "decimal": Decimal128("1.10"), "text": "añ€😀", "yes": True, "none": None,
    "date": datetime.datetime(2024, 2, 29, 12, 30, 15, 123000), "list": [1, [2, {"b": 3}]], "sub": {"z": 1, "a": 2}, "bytes": b"\x00\xff",
    "binary": Binary(b"x", 128), "regex": Regex("^a.b$", "im"), "timestamp": Timestamp(5, 6), "min": MinKey(), "max": MaxKey(), "code": Code("return 1"),
}
db.types.insert_one(every)
assert db.types.find_one() == every and list(db.types.find_one()) == list(every)
for k, v in every.items():
    assert db.types.count_documents({k: v}) == 1, k

# writing and reading
c = db.items
assert c.insert_one({"_id": 1, "a": 1}).inserted_id == 1
assert c.insert_many([{"_id": i, "a": i} for i in range(2, 11)]).inserted_ids == list(range(2, 11))
e = fails(DuplicateKeyError, lambda: c.insert_one({"_id": 1}), 11000)
assert e.details["keyPattern"] == {"_id": 1} and e.details["keyValue"] == {"_id": 1}
r = c.update_one({"_id": 1}, {"$inc": {"a": 5}})
assert (r.matched_count, r.modified_count, r.upserted_id) == (1, 1, None)
r = c.update_many({"_id": {"$lte": 3}}, {"$set": {"seen": True}})
assert (r.matched_count, r.modified_count) == (3, 3)
assert c.update_one({"_id": 77}, {"$set": {"b": 1}}, upsert=True).upserted_id == 77
assert c.replace_one({"_id": 77}, {"c": 1}).modified_count == 1
assert c.update_one({"_id": 77}, [{"$set": {"d": {"$add": ["$c", 1]}}}]).modified_count == 1
assert c.find_one({"_id": 77}) == {"_id": 77, "c": 1, "d": 2}
assert c.delete_one({"_id": 77}).deleted_count == 1
assert c.find_one_and_update({"_id": 2}, {"$inc": {"a": 1}}, return_document=ReturnDocument.AFTER, projection={"_id": 0, "a": 1}) == {"a": 3}
assert c.find_one_and_update({"l": 1}, {"$set": {"l.$[x]": 2}}, array_filters=[{"x": 1}]) is None
assert c.find_one_and_replace({"_id": 3}, {"a": 3}, sort=[("a", 1)])["seen"] is True
assert c.find_one_and_delete({"_id": 3}) == {"_id": 3, "a": 3}
assert c.count_documents({}) == 9 and c.estimated_document_count() == 9
assert c.count_documents({"a": {"$gt": 5}}, skip=1, limit=3, hint="_id_") == 3
assert sorted(c.distinct("a", {"_id": {"$lt": 5}})) == [3, 4, 6]
fails(WriteError, lambda: c.update_one({"_id": 1}, {"$inc": {"seen": 1}}), 14)
fails(WriteError, lambda: c.update_one({"_id": 1}, {"$set": {"_id": 5}}), 66)
fails(OperationFailure, lambda: c.find_one({"$nope": 1}), 2)
c.with_options(write_concern=WriteConcern(w=0)).insert_one({"_id": 50})
for _ in range(200):
    if c.count_documents({"_id": 50}):
        break
assert c.delete_one({"_id": 50}).deleted_count == 1

# in bulk
r = c.bulk_write([InsertOne({"_id": 20}), UpdateOne({"_id": 20}, {"$set": {"q": 1}}), UpdateMany({}, {"$set": {"m": 1}}), ReplaceOne({"_id": 21}, {"r": 1}, upsert=True), DeleteOne({"_id": 20}), DeleteMany({"_id": {"$gt": 20}})])
assert (r.inserted_count, r.matched_count, r.modified_count, r.deleted_count, r.upserted_ids) == (1, 11, 11, 2, {3: 21}), r.bulk_api_result
e = fails(BulkWriteError, lambda: c.bulk_write([InsertOne({"_id": 30}), InsertOne({"_id": 30}), InsertOne({"_id": 31})]))
assert e.details["nInserted"] == 1 and e.details["writeErrors"][0]["index"] == 1 and e.details["writeErrors"][0]["code"] == 11000
e = fails(BulkWriteError, lambda: c.bulk_write([InsertOne({"_id": 30}), InsertOne({"_id": 31}), InsertOne({"_id": 31})], ordered=False))
assert e.details["nInserted"] == 1 and [w["index"] for w in e.details["writeErrors"]] == [0, 2]

# cursors
many = db.many
many.insert_many([{"_id": i, "k": i % 10, "s": "abc"[i % 3].upper() if i % 2 else "abc"[i % 3]} for i in range(1000)])
assert [d["_id"] for d in many.find(batch_size=7)] == list(range(1000))
cur = many.find({"k": 3}, {"_id": 1}, skip=2, limit=5, sort=[("_id", DESCENDING)], comment="why", max_time_ms=5000, allow_disk_use=True, no_cursor_timeout=True)
assert [d["_id"] for d in cur] == [973, 963, 953, 943, 933] and cur.alive is False
cur = many.find().batch_size(2)
next(cur)
other = pymongo.MongoClient(sys.argv[1])
fails(OperationFailure, lambda: other.python.command("getMore", Int64(12345), collection="many"), 43)
cur.close()
other.close()
assert many.find().hint([("$natural", -1)]).limit(1)[0]["_id"] == 999
assert len(list(many.find({"s": "A"}, collation=Collation("en", strength=2)))) == 334
assert many.find({"k": 1}).explain()["queryPlanner"]["winningPlan"]["stage"] == "COLLSCAN"
assert many.find(show_record_id=True).limit(1)[0]["$recordId"] == 1
fails(ExecutionTimeout, lambda: list(many.find({"$expr": {"$gt": [{"$reduce": {"input": {"$range": ["$_id", 300000]}, "initialValue": 0, "in": {"$add": ["$$value", "$$this"]}}}, -1]}}, max_time_ms=5)), 50)

# indexes
assert many.create_index([("k", ASCENDING), ("_id", DESCENDING)], name="byK") == "byK"
assert many.create_indexes([IndexModel([("s", "hashed")]), IndexModel([("t", pymongo.TEXT)], default_language="english", weights={"t": 3}), IndexModel([("p", pymongo.GEOSPHERE)]), IndexModel([("at", 1)], expireAfterSeconds=3600, sparse=True), IndexModel([("u", 1)], unique=True, partialFilterExpression={"u": {"$gt": 0}}, collation=Collation("de"))]) == ["s_hashed", "t_text", "p_2dsphere", "at_1", "u_1"]
info = many.index_information()
assert info["byK"]["key"] == [("k", 1), ("_id", -1)] and info["u_1"]["unique"] and info["at_1"]["expireAfterSeconds"] == 3600 and info["t_text"]["weights"] == {"t": 3}
assert [i["name"] for i in many.list_indexes()] == ["_id_", "byK", "s_hashed", "t_text", "p_2dsphere", "at_1", "u_1"]
plan = many.find({"k": 3}).hint("byK").explain()["queryPlanner"]["winningPlan"]
assert plan["inputStage"]["indexName"] == "byK"
many.insert_one({"_id": "geo", "p": {"type": "Point", "coordinates": [1, 1]}, "t": "running dogs"})
assert many.find_one({"p": {"$near": {"$geometry": {"type": "Point", "coordinates": [0, 0]}}}})["_id"] == "geo"
assert many.find_one({"$text": {"$search": "dog"}}, {"score": {"$meta": "textScore"}})["score"] > 0
many.drop_index("s_hashed")
fails(OperationFailure, lambda: many.drop_index("s_hashed"), 27)
many.drop_indexes()
assert list(many.index_information()) == ["_id_"]

# aggregation
groups = list(many.aggregate([{"$match": {"k": {"$lt": 3}}}, {"$group": {"_id": "$k", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}], allowDiskUse=True, batchSize=1))
assert groups == [{"_id": i, "n": 100} for i in range(3)]
list(many.aggregate([{"$match": {"k": 1}}, {"$out": "ones"}]))
list(many.aggregate([{"$match": {"k": 2}}, {"$merge": {"into": "ones", "on": "_id", "whenMatched": "fail"}}]))
assert db.ones.count_documents({}) == 200
assert list(client.admin.aggregate([{"$currentOp": {}}]))
assert many.aggregate([{"$collStats": {"count": {}}}]).next()["count"] == 1001

# collections and databases
db.create_collection("strict", validator={"$jsonSchema": {"required": ["a"]}}, collation=Collation("en", strength=2))
e = fails(WriteError, lambda: db.strict.insert_one({"b": 1}), 121)
assert e.details["errInfo"]["details"]["schemaRulesNotSatisfied"][0]["missingProperties"] == ["a"]
fails(CollectionInvalid, lambda: db.create_collection("strict"))
db.strict.insert_one({"a": "X"})
assert db.strict.find_one({"a": "x"})["a"] == "X" and db.strict.options()["validator"]
db.command("collMod", "strict", validationLevel="off")
db.create_collection("view", viewOn="many", pipeline=[{"$match": {"k": 1}}])
assert db.view.count_documents({}) == 100
fails(OperationFailure, lambda: db.view.insert_one({}), 166)
assert sorted(db.list_collection_names(filter={"type": "collection", "name": {"$not": Regex("^system")}})) == ["items", "many", "ones", "strict", "types"]
db.strict.rename("loose")
fails(OperationFailure, lambda: db.loose.rename("ones"), 48)
db.loose.rename("ones", dropTarget=True)
assert db.ones.count_documents({}) == 1
assert db.validate_collection("ones")["valid"] and db.command("dbStats")["views"] == 1
assert "python" in client.list_database_names()
assert [d["name"] for d in client.list_databases(filter={"name": "python"})] == ["python"]
db.create_collection("log", capped=True, size=4096, max=3)
db.log.insert_many([{"_id": i} for i in range(5)])
tail = db.log.find(cursor_type=pymongo.CursorType.TAILABLE_AWAIT).max_await_time_ms(100)
assert [next(tail)["_id"] for _ in range(3)] == [2, 3, 4] and tail.alive
db.log.insert_one({"_id": 5})
assert next(tail)["_id"] == 5
tail.close()

# sessions and transactions
with client.start_session(causal_consistency=True) as s:
    c.insert_one({"_id": 60}, session=s)
    assert c.with_options(read_concern=ReadConcern("majority"), read_preference=ReadPreference.SECONDARY_PREFERRED).find_one({"_id": 60}, session=s)
    assert s.operation_time and s.cluster_time
    with s.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority")):
        c.insert_one({"_id": 61}, session=s)
        assert c.count_documents({"_id": 61}, session=s) == 1 and c.count_documents({"_id": 61}) == 0
    assert c.count_documents({"_id": 61}) == 1
    s.start_transaction()
    c.delete_many({}, session=s)
    s.abort_transaction()
    assert c.count_documents({}) > 5
    fails(InvalidOperation, s.commit_transaction)
    assert s.with_transaction(lambda s: c.update_one({"_id": 61}, {"$set": {"t": 1}}, session=s).modified_count) == 1
    rival = client.start_session()
    s.start_transaction()
    rival.start_transaction()
    c.update_one({"_id": 61}, {"$inc": {"t": 1}}, session=s)
    e = fails(OperationFailure, lambda: c.update_one({"_id": 61}, {"$inc": {"t": 1}}, session=rival), 112)
    assert e.has_error_label("TransientTransactionError")
    s.commit_transaction()
    rival.abort_transaction()
    rival.end_session()


def transfer():
    with client.start_session() as s:
        def body(s):
            n = c.find_one({"_id": 61}, session=s)["t"]
            c.update_one({"_id": 61}, {"$set": {"t": n + 1}}, session=s)
        s.with_transaction(body)


before = c.find_one({"_id": 61})["t"]
threads = [threading.Thread(target=transfer) for _ in range(6)]
for t in threads:
    t.start()
for t in threads:
    t.join()
assert c.find_one({"_id": 61})["t"] == before + 6

# change streams
with c.watch(full_document="updateLookup", max_await_time_ms=100) as w:
    assert w.try_next() is None
    c.insert_one({"_id": 70})
    c.update_one({"_id": 70}, {"$set": {"v": 1}})
    c.delete_one({"_id": 70})
    events = [next(w) for _ in range(3)]
    assert [e["operationType"] for e in events] == ["insert", "update", "delete"] and w.resume_token
for option in ("resume_after", "start_after"):
    with c.watch(**{option: events[0]["_id"]}) as w:
        assert next(w)["updateDescription"]["updatedFields"] == {"v": 1}
with db.watch([{"$match": {"operationType": "delete"}}], start_at_operation_time=events[0]["clusterTime"]) as w:
    assert next(w)["documentKey"] == {"_id": 70}
with client.watch(max_await_time_ms=100) as w:
    w.try_next()
    db.fresh.insert_one({"_id": 1})
    assert next(w)["ns"] == {"db": "python", "coll": "fresh"}

# files
fs = gridfs.GridFS(db)
data = bytes(range(256)) * 2000
fid = fs.put(data, filename="a.bin", chunk_size=65536, by="ann")
assert fs.get(fid).read() == data and fs.find_one({"by": "ann"}).length == len(data) and fs.exists(filename="a.bin") and fs.list() == ["a.bin"]
bucket = gridfs.GridFSBucket(db)
with bucket.open_upload_stream("a.bin") as up:
    up.write(b"second")
assert bucket.open_download_stream_by_name("a.bin").read() == b"second" and bucket.open_download_stream_by_name("a.bin", revision=0).read() == data
out = bucket.open_download_stream(fid)
out.seek(100_000)
assert out.read(10) == data[100_000:100_010]
bucket.rename(fid, "b.bin")
bucket.delete(fid)
fails(gridfs.errors.NoFile, lambda: fs.get(fid))
assert db.fs.chunks.count_documents({"files_id": fid}) == 0

client.drop_database("python")
client.close()
print("python ok")
