internal import Bytes

/// What is asked of a host's keeper, in one message.
enum KeeperRequest: Equatable {
  /// Whether something is kept under this name; who asks becomes a user of it.
  case find(String)
  /// To keep memory, whose descriptors come with the message, in the place of what was kept under this name; who asks
  /// is a user of it.
  case hold(String, note: [UInt8], seconds: Int)
  /// To let go of what is kept under this name.
  case drop(String)
  /// To let go of what nobody uses, or of everything.
  case release(all: Bool)
  case list

  private static let version: UInt32 = 0x4d4b_0001

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(Self.version)
    switch self {
    case .find(let name):
      writer.write(UInt8(1))
      writer.write(name)
    case .hold(let name, let note, let seconds):
      writer.write(UInt8(2))
      writer.write(name)
      writer.write(Int64(seconds))
      writer.write(Int32(note.count))
      for byte in note { writer.write(byte) }
    case .drop(let name):
      writer.write(UInt8(3))
      writer.write(name)
    case .release(let all):
      writer.write(UInt8(4))
      writer.write(UInt8(all ? 1 : 0))
    case .list: writer.write(UInt8(5))
    }
    return writer.bytes
  }

  /// Nil where the bytes are no request that this program knows.
  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    do throws(TruncatedMessage) {
      guard try reader.read(UInt32.self) == Self.version else { return nil }
      switch try reader.read(UInt8.self) {
      case 1: self = .find(try reader.readText())
      case 2:
        let (name, seconds) = (try reader.readText(), try reader.read(Int64.self))
        guard (0...KeeperLimits.seconds).contains(Int(seconds)) else { return nil }
        self = .hold(name, note: try reader.readRaw(count: try reader.readCount(width: 1)), seconds: Int(seconds))
      case 3: self = .drop(try reader.readText())
      case 4: self = .release(all: try reader.read(UInt8.self) != 0)
      case 5: self = .list
      default: return nil
      }
    } catch { return nil }
    guard reader.isAtEnd else { return nil }
  }
}

/// What it answers.
struct KeeperReply: Equatable {
  /// Whether it was found, or done.
  var isGood = false
  /// Bytes let go of.
  var byteCount = 0
  /// Of what was found: as it was handed over.
  var note: [UInt8] = []
  /// What is kept.
  var entries: [KeptEntry] = []

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.write(UInt8(isGood ? 1 : 0))
    writer.write(Int64(byteCount))
    writer.write(Int32(note.count))
    for byte in note { writer.write(byte) }
    writer.write(Int32(entries.count))
    for entry in entries {
      writer.write(entry.name)
      writer.write(Int64(entry.byteCount))
      writer.write(Int32(entry.users))
      writer.write(Int64(entry.secondsLeft ?? -1))
    }
    return writer.bytes
  }

  init() {}

  init?(_ bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    do throws(TruncatedMessage) {
      isGood = try reader.read(UInt8.self) != 0
      byteCount = Int(try reader.read(Int64.self))
      note = try reader.readRaw(count: try reader.readCount(width: 1))
      for _ in 0..<(try reader.readCount(width: 24)) {
        var entry = KeptEntry(name: try reader.readText(), byteCount: Int(try reader.read(Int64.self)))
        entry.users = Int(try reader.read(Int32.self))
        let seconds = Int(try reader.read(Int64.self))
        entry.secondsLeft = seconds < 0 ? nil : seconds
        entries.append(entry)
      }
    } catch { return nil }
    guard reader.isAtEnd else { return nil }
  }
}

/// What a keeper keeps under one name.
package struct KeptEntry: Sendable, Equatable {
  package var name: String
  package var byteCount: Int
  /// Processes that use it.
  package var users = 0
  /// Until it is let go of; nil while somebody uses it.
  package var secondsLeft: Int?
}

/// What a keeper takes.
package enum KeeperLimits {
  /// A year.
  package static let seconds = 31_536_000
  static let messageBytes = 1 << 16
  static let nameBytes = 8192
  package static let noteBytes = 1 << 15
  package static let segments = 64
  static let entries = 1024
}
