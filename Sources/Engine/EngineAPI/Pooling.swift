/// How a text's hidden states, after the model's last norm, become one vector.
package enum Pooling: String, Sendable, CaseIterable {
  /// That of the last token, which alone has seen all others.
  case last
  /// The mean over all positions: their sum in double precision, in ascending order, over their number.
  case mean
}
