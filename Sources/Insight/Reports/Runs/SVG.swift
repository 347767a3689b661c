/// Writes the elements of a picture; coordinates are pixels from the upper left.
struct SVG {
  let width: Double
  let height: Double
  private var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// Text as it stands between tags and in attributes: no markup, nothing that a page may not have, and nothing that
  /// turns the direction of what follows it.
  static func escape(_ text: String) -> String {
    var out = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": out += "&amp;"
      case "<": out += "&lt;"
      case ">": out += "&gt;"
      case "\"": out += "&quot;"
      case "\t", "\n": out.unicodeScalars.append(character)
      case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": out += "\u{FFFD}"
      default:
        out.unicodeScalars.append(character.properties.generalCategory == .control ? "\u{FFFD}" : character)
      }
    }
    return out
  }

  private func number(_ value: Double) -> String { Decimals.text(value, 2).replacing("−", with: "-") }

  /// `title` is shown while the pointer is over it.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, fill: String, title: String = "", opacity: Double = 1
  ) {
    guard width > 0, height > 0 else { return }
    let fade = opacity < 1 ? " fill-opacity=\"\(number(opacity))\"" : ""
    let size = "x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(width))\" height=\"\(number(height))\""
    body += "<rect \(size) fill=\"\(fill)\"\(fade)"
    body += title.isEmpty ? "/>" : "><title>\(Self.escape(title))</title></rect>"
  }

  enum Anchor: String { case start, middle, end }

  mutating func text(_ text: String, x: Double, y: Double, anchor: Anchor = .start, weak: Bool = false) {
    body +=
      """
      <text x=\"\(number(x))\" y=\"\(number(y))\" \
      text-anchor=\"\(anchor.rawValue)\"\(weak ? " class=\"weak\"" : "")>\(Self.escape(text))</text>
      """
  }

  mutating func line(x1: Double, y1: Double, x2: Double, y2: Double) {
    body += "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\"/>"
  }

  mutating func path(_ points: [(x: Double, y: Double)], stroke: String) {
    guard points.count > 1 else { return }
    let list = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    body += "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(stroke)\" stroke-width=\"2\"/>"
  }

  var markup: String {
    """
    <svg viewBox=\"0 0 \(number(width)) \(number(height))\" width=\"\(number(width))\" \
    height=\"\(number(height))\" role=\"img\">\(body)</svg>
    """
  }

  /// Marks at round numbers from 0 to at least `greatest`, at most six of them.
  static func ticks(to greatest: Double) -> [Double] {
    guard greatest > 0, greatest.isFinite else { return [0] }
    var step = 1.0
    while step * 5 < greatest { step *= 10 }
    while step * 0.5 > greatest { step /= 10 }
    for part in [0.1, 0.2, 0.5] where step * part * 5 >= greatest {
      step *= part
      break
    }
    return (0...5).map { Double($0) * step }.filter { $0 < greatest + step }
  }
}
