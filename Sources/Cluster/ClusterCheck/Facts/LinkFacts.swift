import JSON

/// What messages between two ranks of different hosts were measured to take.
package struct LinkFacts: Sendable, Equatable {
  /// The two ranks.
  package var first: Int
  package var second: Int
  /// Half of the way there and back of the smallest message, in seconds.
  package var latency: Double
  /// Of large messages, one way.
  package var bytesPerSecond: Double

  package init(first: Int, second: Int, latency: Double, bytesPerSecond: Double) {
    (self.first, self.second, self.latency, self.bytesPerSecond) = (first, second, latency, bytesPerSecond)
  }

  package var json: JSONValue {
    [
      "ranks": [.int(first), .int(second)], "latency_seconds": .double(latency),
      "bytes_per_second": .double(bytesPerSecond),
    ]
  }

  package init(json: JSONValue) throws(MalformedFacts) {
    let ranks = try json.list("ranks") { value throws(MalformedFacts) in value.exactInt }
    guard ranks.count == 2 else { throw MalformedFacts(reason: "a link without two ranks") }
    (first, second) = (ranks[0], ranks[1])
    latency = try json.finite("latency_seconds")
    bytesPerSecond = try json.finite("bytes_per_second")
  }
}

/// What the ranks of a run found together.
package struct ClusterFacts: Sendable, Equatable {
  /// By rank.
  package var ranks: [RankFacts]
  package var links: [LinkFacts]
  /// What dealing out the cores of all hosts gave rise to say.
  package var remarks: [String]

  package init(ranks: [RankFacts], links: [LinkFacts], remarks: [String] = []) {
    (self.ranks, self.links, self.remarks) = (ranks, links, remarks)
  }

  package var json: JSONValue {
    [
      "ranks": .array(ranks.map(\.json)), "links": .array(links.map(\.json)),
      "remarks": .array(remarks.map { .string($0) }),
    ]
  }

  package init(json: JSONValue) throws(MalformedFacts) {
    ranks = try json.list("ranks") { value throws(MalformedFacts) in try RankFacts(json: value) }
    links = try json.list("links") { value throws(MalformedFacts) in try LinkFacts(json: value) }
    remarks = json["remarks"]?.array?.compactMap(\.string) ?? []
    for link in links where !ranks.indices.contains(link.first) || !ranks.indices.contains(link.second) {
      throw MalformedFacts(reason: "a link of ranks that there are not")
    }
    guard ranks.indices.allSatisfy({ ranks[$0].rank == $0 }) else { throw MalformedFacts(reason: "ranks out of order") }
  }
}
