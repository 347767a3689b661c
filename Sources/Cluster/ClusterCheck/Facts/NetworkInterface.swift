import Glibc
import JSON
import Machine

/// A network interface of this host that is up: one address of it.
package struct NetworkInterface: Sendable, Equatable {
  package var name: String
  package var address: String
  /// Leading bits of the address that its network has in common.
  package var prefixLength: Int
  /// What its driver says it can send, in 10^6 bits a second; nil where it does not say, as virtual ones.
  package var megabits: Int?

  package init(name: String, address: String, prefixLength: Int, megabits: Int? = nil) {
    (self.name, self.address, self.prefixLength, self.megabits) = (name, address, prefixLength, megabits)
  }

  /// All but the loopback, in the kernel's order.
  package static func all() -> [NetworkInterface] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return [] }
    defer { freeifaddrs(first) }
    var found: [NetworkInterface] = []
    var next = first
    while let entry = next {
      next = entry.pointee.ifa_next
      let flags = entry.pointee.ifa_flags
      guard flags & UInt32(IFF_UP) != 0, flags & UInt32(IFF_LOOPBACK) == 0, let address = entry.pointee.ifa_addr,
        let bytes = SocketAddress.bytes(address), !SocketAddress.isLinkLocal(bytes)
      else { continue }
      let mask = entry.pointee.ifa_netmask.flatMap { SocketAddress.bytes($0) } ?? []
      let name = String(cString: entry.pointee.ifa_name)
      found.append(
        NetworkInterface(
          name: name, address: SocketAddress.text(bytes), prefixLength: mask.reduce(0) { $0 + $1.nonzeroBitCount },
          megabits: SystemFiles.text("/sys/class/net/\(name)/speed").flatMap { Int($0.filter { !$0.isWhitespace }) }
            .flatMap { $0 > 0 ? $0 : nil }))
    }
    return found
  }

  /// The addresses of this host from which this process has connections to others: where its messages go. Loopback left
  /// out.
  package static func addressesInUse() -> Set<String> {
    var inodes: Set<Substring> = []
    for name in SystemFiles.names(in: "/proc/self/fd") {
      // A link such as "socket:[1234]".
      var buffer = [CChar](repeating: 0, count: 256)
      let count = readlink("/proc/self/fd/\(name)", &buffer, buffer.count)
      guard count > 9 else { continue }
      let target = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if target.hasPrefix("socket:[") { inodes.insert(target.dropFirst(8).dropLast()) }
    }
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"].compactMap { SystemFiles.text($0, limit: 1 << 22) }
    return tables.reduce(into: []) { $0.formUnion(SocketAddress.established($1, inodes: inodes)) }
  }

  var json: JSONValue {
    [
      "name": .string(name), "address": .string(address), "prefix_length": .int(prefixLength),
      "megabits": megabits.map { .int($0) } ?? .null,
    ]
  }

  init(json: JSONValue) throws(MalformedFacts) {
    name = try json.text("name")
    address = try json.text("address")
    prefixLength = try json.count("prefix_length")
    megabits = json["megabits"]?.exactInt
  }
}
