import NIOCore

/// Where a page comes from, as browsers tell it: `https://chat.example.org`, or `null` for pages without a place.
package struct WebOrigin: Hashable, Sendable {
  private let scheme: String
  private let name: String
  /// nil for the scheme's own.
  private let port: Int?

  /// nil for what is no origin: `scheme://name` or `scheme://name:port`, without a path.
  package init?(_ text: String) {
    let text = text.lowercased()
    if text == "null" {
      (scheme, name, port) = ("null", "", nil)
      return
    }
    guard let mark = text.firstRange(of: "://"), let (name, port) = Self.split(String(text[mark.upperBound...])) else {
      return nil
    }
    let scheme = String(text[..<mark.lowerBound])
    guard !scheme.isEmpty, scheme.utf8.allSatisfy({ Self.isLetterOrDigit($0) || "+-.".utf8.contains($0) }) else {
      return nil
    }
    (self.scheme, self.name, self.port) = (scheme, name, port == Self.usualPort(scheme) ? nil : port)
  }

  /// Whether the origin's server is the one that a `Host` header names.
  func isAt(_ authority: String) -> Bool {
    guard let (name, port) = Self.split(authority) else { return false }
    return name == self.name && (port == Self.usualPort(scheme) ? nil : port) == self.port
  }

  private static func usualPort(_ scheme: String) -> Int? { ["http": 80, "https": 443][scheme] }

  /// Name, in small letters and without a last dot, and port of `name`, `name:port`, `[address]` or `[address]:port`;
  /// nil for anything else.
  static func split(_ authority: String) -> (name: String, port: Int?)? {
    var name = authority.lowercased()[...]
    var port: Int?
    if let colon = name.lastIndex(of: ":"), !name[colon...].contains("]") {
      let digits = name[colon...].dropFirst()
      guard digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
      // "name:" means no port.
      if !digits.isEmpty {
        guard let number = Int(digits), (0...65535).contains(number) else { return nil }
        port = number
      }
      name = name[..<colon]
    }
    if name.hasPrefix("[") {
      guard name.hasSuffix("]"), isAddress(String(name.dropFirst().dropLast())) else { return nil }
      return (String(name.dropFirst().dropLast()), port)
    }
    if name.hasSuffix(".") { name = name.dropLast() }
    let isName = !name.isEmpty && name.utf8.allSatisfy { isLetterOrDigit($0) || "-._".utf8.contains($0) }
    return isName ? (String(name), port) : nil
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...122).contains(byte) }

  /// Whether a name is an address of IPv4 or IPv6.
  static func isAddress(_ name: String) -> Bool { (try? SocketAddress(ipAddress: name, port: 0)) != nil }
}
