import Bytes
import JSON

/// Chat templates of families whose models come without one, as their makers say that conversations are written. What
/// texts they put before a conversation (of the tools there are, of how hard to think) is taken from the makers' own
/// program, which lies beside the weights; without it such texts are not known.
enum FamilyTemplate {
  /// What is read of a model, by name, at most so many bytes; nil for what it does not have.
  typealias Documents = (_ name: String, _ limit: Int) throws -> [UInt8]?

  /// Of a model with these documents; nil for families that publish templates.
  static func source(_ documents: Documents) throws -> String? {
    guard let config = try documents("config.json", configByteLimit) else { return nil }
    func program(_ name: String) throws -> PythonTexts {
      PythonTexts(try documents("encoding/\(name)", programByteLimit) ?? [])
    }
    switch modelType(of: config) {
    case "deepseek_v32": return deepSeekV32(try program("encoding_dsv32.py"))
    case "deepseek_v4": return deepSeekV4(try program("encoding_dsv4.py"))
    default: return nil
    }
  }

  private static let configByteLimit = 16 << 20
  /// Published ones have 30 KiB.
  private static let programByteLimit = 1 << 20

  /// `model_type` of a `config.json`; nil where it is none.
  private static func modelType(of config: [UInt8]) -> String? {
    (try? JSONValue(parsing: config))?["model_type"]?.string
  }

  /// A text as a string of a template, whatever is in it.
  static func literal(_ text: String) -> String {
    var out = "'"
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": out += "\\n"
      case "a"..."z", "A"..."Z", "0"..."9", " ", ".", ",", ":", "-", "_", "/", "<", ">", "=", "$", "|", "｜":
        out.unicodeScalars.append(scalar)
      default:
        out += "\\U" + Digits.hexadecimal(scalar.value, count: 8)
      }
    }
    return out + "'"
  }
}
