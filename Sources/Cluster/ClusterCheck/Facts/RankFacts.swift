import JSON

/// What one rank of a run finds: its host's facts, and what it has and needs there.
package struct RankFacts: Sendable, Equatable {
  package var rank: Int
  package var host: HostFacts
  /// The cores of its workers, one entry each, and whether they share them with others.
  package var workerCores: [Int]
  package var sharesCores: Bool
  /// How many there are, this one among them.
  package var ranksOnHost: Int
  /// Bytes that its weights and its attention cache take; nil where that could not be found out.
  package var weightBytes: Int?
  package var cacheBytes: Int?
  /// Its wall clock minus rank 0's in seconds, and how far off that may be.
  package var clockOffset: Double
  package var clockError: Double
  /// Addresses from which its messages went.
  package var addressesInUse: [String]

  package init(
    rank: Int, host: HostFacts, workerCores: [Int], sharesCores: Bool, ranksOnHost: Int, weightBytes: Int?,
    cacheBytes: Int?,
    clockOffset: Double, clockError: Double, addressesInUse: [String]
  ) {
    (self.rank, self.host, self.workerCores, self.sharesCores) = (rank, host, workerCores, sharesCores)
    (self.ranksOnHost, self.weightBytes, self.cacheBytes) = (ranksOnHost, weightBytes, cacheBytes)
    (self.clockOffset, self.clockError, self.addressesInUse) = (clockOffset, clockError, addressesInUse)
  }

  package var json: JSONValue {
    [
      "rank": .int(rank), "host": host.json, "worker_cores": .array(workerCores.map { .int($0) }),
      "shares_cores": .bool(sharesCores),
      "ranks_on_host": .int(ranksOnHost), "weight_bytes": weightBytes.map { .int($0) } ?? .null,
      "cache_bytes": cacheBytes.map { .int($0) } ?? .null, "clock_offset_seconds": .double(clockOffset),
      "clock_error_seconds": .double(clockError), "addresses_in_use": .array(addressesInUse.map { .string($0) }),
    ]
  }

  package init(json: JSONValue) throws(MalformedFacts) {
    rank = try json.count("rank")
    guard let host = json["host"] else { throw MalformedFacts(reason: "no \"host\"") }
    self.host = try HostFacts(json: host)
    workerCores = try json.list("worker_cores") { value throws(MalformedFacts) in value.exactInt }
    sharesCores = json["shares_cores"]?.bool ?? false
    ranksOnHost = try json.count("ranks_on_host")
    weightBytes = json["weight_bytes"]?.exactInt
    cacheBytes = json["cache_bytes"]?.exactInt
    clockOffset = try json.finite("clock_offset_seconds")
    clockError = try json.finite("clock_error_seconds")
    addressesInUse = try json.list("addresses_in_use") { value throws(MalformedFacts) in value.string }
  }
}
