/// A tensor's name with places for numbers, cut up once: `model.layers.{layer}.{block}.experts.{expert}.w1.weight`.
package struct NameTemplate: Sendable, ExpressibleByStringLiteral {
  private enum Piece: Sendable {
    case text(String)
    case layer, expert, block
  }
  private let pieces: [Piece]

  package init(stringLiteral text: String) {
    var pieces: [Piece] = []
    for part in text.split(separator: "{") {
      guard let end = part.firstIndex(of: "}") else {
        pieces.append(.text(String(part)))
        continue
      }
      switch part[..<end] {
      case "layer": pieces.append(.layer)
      case "expert": pieces.append(.expert)
      default: pieces.append(.block)
      }
      pieces.append(.text(String(part[part.index(after: end)...])))
    }
    self.pieces = pieces
  }

  func name(layer: Int, expert: Int, block: String) -> String {
    pieces.reduce(into: "") { name, piece in
      switch piece {
      case .text(let text): name += text
      case .layer: name += "\(layer)"
      case .expert: name += "\(expert)"
      case .block: name += block
      }
    }
  }
}
