import Bytes

/// Names of a folder's safetensors files, as published: `model.safetensors`, or `model-00001-of-00003.safetensors`.
package enum ShardName {
  /// Of file `number`, from 0, among `count`.
  package static func text(_ number: Int, of count: Int, stem: String = "model") -> String {
    "\(stem)\(count > 1 ? part(number + 1, of: count) : "").safetensors"
  }

  /// `-00001-of-00003`, which GGUF's parts have, too; counted from 1.
  static func part(_ number: Int, of count: Int) -> String {
    "-\(Digits.padded(number, to: 5))-of-\(Digits.padded(count, to: 5))"
  }
}
