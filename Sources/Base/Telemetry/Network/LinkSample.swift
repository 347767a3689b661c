import JSON

/// The way a message takes.
package enum LinkClass: Int, CaseIterable, Sendable {
  /// Written and read in memory that both ranks see, as expert layers do within a host.
  case sharedMemory
  /// A message of MPI between ranks of one NUMA node, of one host otherwise, and of two hosts.
  case sameNode, sameHost, otherHosts

  /// For people.
  package var words: String {
    switch self {
    case .sharedMemory: "shared memory"
    case .sameNode: "messages within a NUMA node"
    case .sameHost: "messages within a host"
    case .otherHosts: "messages between hosts"
    }
  }

  package var name: String {
    switch self {
    case .sharedMemory: "shared_memory"
    case .sameNode: "same_node"
    case .sameHost: "same_host"
    case .otherHosts: "other_hosts"
    }
  }
}

/// How long messages of one size took on one kind of link.
package struct LinkSample: Sendable, Equatable {
  package var link: LinkClass
  package var messageBytes: Int
  /// Messages that each rank sent at the same time; 1 is a ping-pong, of which half counts.
  package var messagesAtOnce: Int
  /// The most bytes that left one host, or within a host one rank, at the same time.
  package var bytesAtOnce: Int
  /// Median of several, of the slowest rank.
  package var seconds: Double
  package var isPingPong: Bool

  package init(
    link: LinkClass, messageBytes: Int, messagesAtOnce: Int = 1, bytesAtOnce: Int? = nil, seconds: Double,
    isPingPong: Bool = true
  ) {
    (self.link, self.messageBytes, self.messagesAtOnce) = (link, messageBytes, messagesAtOnce)
    self.bytesAtOnce = bytesAtOnce ?? messageBytes
    self.seconds = seconds
    self.isPingPong = isPingPong
  }
}

extension LinkSample {
  package var json: JSONValue {
    [
      "link": .string(link.name), "pattern": .string(isPingPong ? "ping_pong" : "all_to_all"),
      "message_bytes": .int(messageBytes),
      "messages_at_once": .int(messagesAtOnce), "bytes_at_once": .int(bytesAtOnce), "seconds": .double(seconds),
    ]
  }

  package init(json: JSONValue) throws(MalformedAccount) {
    guard let name = json["link"]?.string, let link = LinkClass.allCases.first(where: { $0.name == name }) else {
      throw MalformedAccount(reason: "a link is of an unknown kind")
    }
    guard let seconds = json["seconds"]?.double, seconds > 0, seconds < 1e6 else {
      throw MalformedAccount(reason: "a link's \"seconds\" is no time")
    }
    self.init(
      link: link, messageBytes: try json.count("message_bytes", below: 1 << 40),
      messagesAtOnce: try json.count("messages_at_once", below: 1 << 20),
      bytesAtOnce: try json.count("bytes_at_once", below: 1 << 50), seconds: seconds,
      isPingPong: json["pattern"]?.string == "ping_pong")
  }
}
