import Foundation
import JSON

/// A client's end of a connection, byte by byte, for what no well-behaved client does.
package final class Connection: @unchecked Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
    package init(description: String) { self.description = description }
  }

  package struct Reply: Sendable {
    package var status: Int
    package var headers: [String: String]
    package var body: [UInt8]

    package var text: String { String(decoding: body, as: UTF8.self) }
    package var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    /// What each frame of a stream says after `data: `.
    package var frames: [String] {
      text.components(separatedBy: "\n\n").compactMap { frame in
        frame.components(separatedBy: "\n").first { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
      }
    }
    package var chunks: [JSONValue] { frames.filter { $0 != "[DONE]" }.compactMap { try? JSONValue(parsing: $0) } }
    /// The choices of a whole answer, or of every chunk of a stream.
    package var choices: [JSONValue] {
      json["choices"]?.array ?? chunks.flatMap { $0["choices"]?.array ?? [] }
    }
    package var errorCode: String? { json["error"]?["code"]?.string }
    package var errorMessage: String { json["error"]?["message"]?.string ?? "" }
  }

  private var descriptor: Int32
  private var buffer: [UInt8] = []

  /// `receiveBytes`: room the system keeps for what has come and was not read.
  package init(port: Int, receiveBytes: Int32? = nil, timeout: Int = 600) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var size = receiveBytes {
      setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var time = timeval(tv_sec: timeout, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw Failure(description: "connect: \(String(cString: strerror(errno)))") }
  }

  deinit { close() }

  package func close() {
    if descriptor >= 0 { Foundation.close(descriptor) }
    descriptor = -1
  }

  package func closeSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  package func send(_ text: String) throws { try send(Array(text.utf8)) }

  package func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
      sent += count
    }
  }

  package func sendRequest(_ method: String, _ path: String, headers: [String] = [], body: [UInt8]? = nil) throws {
    var head = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
    for header in headers { head += header + "\r\n" }
    if let body { head += "Content-Length: \(body.count)\r\nContent-Type: application/json\r\n" }
    try send(Array((head + "\r\n").utf8) + (body ?? []))
  }

  /// Whether something has come that was not read, or the end, waiting for it so long.
  package func hasInput(within time: Duration) -> Bool {
    var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&polled, 1, Int32(time / .milliseconds(1))) != 0
  }

  /// false at the end.
  package func readMore() throws -> Bool {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count >= 0 else { throw Failure(description: "recv: \(String(cString: strerror(errno)))") }
    buffer += bytes[..<count]
    return count > 0
  }

  /// Reads until `text` has come; what is before it and itself are taken.
  package func read(until text: String) throws -> String {
    let wanted = Array(text.utf8)
    while true {
      if let range = buffer.firstRange(of: wanted) {
        defer { buffer.removeFirst(range.upperBound) }
        return String(decoding: buffer[..<range.upperBound], as: UTF8.self)
      }
      guard try readMore() else { throw Failure(description: "closed before \(text)") }
    }
  }

  private func read(count: Int) throws -> [UInt8] {
    while buffer.count < count {
      guard try readMore() else { throw Failure(description: "closed inside a body") }
    }
    defer { buffer.removeFirst(count) }
    return Array(buffer[..<count])
  }

  /// A whole response, or its head if `method` is HEAD.
  package func readReply(method: String = "GET") throws -> Reply {
    let head = try read(until: "\r\n\r\n")
    var lines = head.components(separatedBy: "\r\n").filter { !$0.isEmpty }
    let status = Int(lines.removeFirst().split(separator: " ").dropFirst().first ?? "") ?? 0
    var headers: [String: String] = [:]
    for line in lines {
      let parts = line.split(separator: ":", maxSplits: 1)
      headers[parts[0].lowercased()] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
    }
    if status == 100 { return try readReply(method: method) }
    var body: [UInt8] = []
    if method == "HEAD" || status == 204 {
    } else if let length = headers["content-length"].flatMap({ Int($0) }) {
      body = try read(count: length)
    } else if headers["transfer-encoding"] == "chunked" {
      while true {
        // To Swift, "\r\n" is one character.
        let size = Int(try read(until: "\r\n").dropLast(), radix: 16) ?? 0
        body += try read(count: size)
        _ = try read(until: "\r\n")
        if size == 0 { break }
      }
    }
    return Reply(status: status, headers: headers, body: body)
  }

  /// What has come and was not taken.
  package var rest: String { String(decoding: buffer, as: UTF8.self) }

  /// Whether the server has closed the connection, waiting for it.
  package func isClosedByServer() -> Bool {
    while true { do { if try !readMore() { return true } } catch { return errno != EAGAIN } }
  }
}
