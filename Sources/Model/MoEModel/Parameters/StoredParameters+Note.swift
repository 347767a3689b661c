import Kernels

extension StoredParameters {
  /// Which matrices are rounded though weights are to be held as they are stored; nil where none is. Throws on the first
  /// parameter that is missing or does not fit.
  package func roundingNote() throws -> String? {
    guard precision == .auto, hasBlocks else { return nil }
    var counts: [String: Int] = [:]
    try walk { spec, found in
      guard case .matrices(let sources) = found, spec.use != .choice else { return }
      guard let rounded = sources.first(where: { $0.format != $0.storedFormat }) else { return }
      counts[rounded.storedFormat.name, default: 0] += 1
    }
    guard !counts.isEmpty else { return nil }
    let list = counts.sorted { $0.key < $1.key }.map { "\($0.value) in \($0.key)" }.joined(separator: ", ")
    return "matrices rounded to q8, since rows of 8 bits do not meet them as they are stored: \(list)"
  }
}
