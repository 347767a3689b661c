/// What a template may cost its renderer. Templates come with checkpoints and are hostile until rendered.
package struct TemplateLimits: Sendable {
  /// The quantities that are limited, as an error names them.
  package enum Kind: String, Sendable {
    case depth = "nesting depth"
    case steps = "evaluation steps"
    case outputBytes = "bytes of output"
    case valueBytes = "bytes of one value"
    case allocatedBytes = "bytes of all values"
  }

  /// UTF-8 bytes of the template's source.
  package var templateByteCount: Int
  /// Levels of nesting: of blocks and expressions when parsing, of the same and of values when rendering.
  /// The default keeps a debug build's worst case within half of a 512 KiB stack.
  package var depth: Int
  /// Nodes evaluated, plus one for every 64 bytes a string operation walks over.
  package var stepCount: Int
  package var outputByteCount: Int
  /// Bytes of one string, or 16 for each element of one container.
  package var valueByteCount: Int
  /// Bytes of every value made during one rendering, freed or not.
  package var allocatedByteCount: Int

  package init(
    templateByteCount: Int = 1 << 20, depth: Int = 200, stepCount: Int = 2_000_000,
    outputByteCount: Int = 32 << 20, valueByteCount: Int = 32 << 20, allocatedByteCount: Int = 256 << 20
  ) {
    self.templateByteCount = templateByteCount
    self.depth = depth
    self.stepCount = stepCount
    self.outputByteCount = outputByteCount
    self.valueByteCount = valueByteCount
    self.allocatedByteCount = allocatedByteCount
  }
}
