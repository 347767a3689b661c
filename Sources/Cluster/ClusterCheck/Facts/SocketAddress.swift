import Glibc

/// Addresses of IP version 4 and 6, as bytes and as text.
enum SocketAddress {
  /// Four or sixteen bytes in network order; nil for other families.
  static func bytes(_ address: UnsafePointer<sockaddr>) -> [UInt8]? {
    switch Int32(address.pointee.sa_family) {
    case AF_INET:
      address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin_addr) { Array($0) }
      }
    case AF_INET6:
      address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
        withUnsafeBytes(of: pointer.pointee.sin6_addr) { Array($0) }
      }
    default: nil
    }
  }

  /// fe80::/10, which every interface has.
  static func isLinkLocal(_ bytes: [UInt8]) -> Bool { bytes.count == 16 && bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80 }

  private static func isLoopback(_ bytes: [UInt8]) -> Bool {
    bytes.count == 4 ? bytes[0] == 127 : bytes == Array(repeating: 0, count: 15) + [1]
  }

  static func text(_ bytes: [UInt8]) -> String {
    var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Local addresses of the established connections that `inodes` name, from the kernel's table (proc(5),
  /// /proc/net/tcp): words of 32 bits in hexadecimal, each with its lowest byte first.
  static func established(_ table: String, inodes: Set<Substring>) -> Set<String> {
    var found: Set<String> = []
    for line in table.split(whereSeparator: \.isNewline).dropFirst() {
      let fields = line.split(separator: " ")
      guard fields.count > 9, fields[3] == "01", inodes.contains(fields[9]) else { continue }
      let digits = Array(fields[1].prefix { $0 != ":" })
      guard digits.count == 8 || digits.count == 32 else { continue }
      var bytes: [UInt8] = []
      for word in stride(from: 0, to: digits.count, by: 8) {
        guard let value = UInt32(String(digits[word..<word + 8]), radix: 16) else { continue }
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
      }
      // Version 4 within version 6: ::ffff:a.b.c.d.
      if bytes.count == 16, bytes[..<10].allSatisfy({ $0 == 0 }), bytes[10] == 0xff, bytes[11] == 0xff {
        bytes.removeFirst(12)
      }
      if bytes.count == 4 || bytes.count == 16, !isLoopback(bytes) { found.insert(text(bytes)) }
    }
    return found
  }
}
