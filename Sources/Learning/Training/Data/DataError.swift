/// Why data cannot be trained on; every case names the file, and the line or element where there is one.
package enum DataError: Error, Equatable, CustomStringConvertible {
  // What was asked for.
  case noFiles
  case badWeight(file: String, text: String)
  case someWithoutWeight(file: String)
  case tooManyWeights(Int, limit: Int)
  case emptyFolder(String)
  case badLength(Int, limit: Int)
  case needsTokenizer(file: String)

  // Lines of text.
  case notUTF8(file: String, line: Int)
  case nulByte(file: String, line: Int)
  case longLine(file: String, line: Int, limit: Int)
  case json(file: String, line: Int, reason: String)
  case noDocument(file: String, line: Int, found: String)
  /// A file whose name says text, and whose first line is a document in JSON.
  case linesOfJSON(file: String)
  case conversation(file: String, line: Int)
  case badConversation(file: String, line: Int, reason: String)
  case tokenizing(file: String, line: Int, reason: String)

  // Tokens.
  case tokenOutsideVocabulary(file: String, place: String, token: Int, vocabulary: Int)
  case noTokens(file: String)
  case tooShort(what: String, tokens: Int, needed: Int)

  // Arrays.
  case notAnArray(file: String, reason: String)
  case wrongElements(file: String, found: String)
  case wrongShape(file: String, found: String)
  case wrongSize(file: String, expected: Int, found: Int)
  case severalTensors(file: String, count: Int)

  package var description: String {
    switch self {
    case .noFiles: "no data were given; name at least one file with --data"
    case .badWeight(let file, let text):
      "the weight of \(file.debugDescription) is \(text.debugDescription); give a positive number, as in FILE=0.6"
    case .someWithoutWeight(let file):
      """
      \(file.debugDescription) has no weight although others have; give weights to all files, as in FILE=0.6, or \
      to none
      """
    case .tooManyWeights(let count, let limit):
      """
      \(count) files have weights, and at most \(limit) may; put files of one kind into a folder, and give that a \
      weight
      """
    case .emptyFolder(let path):
      "\(path.debugDescription) has no file of data in it; put .jsonl, .txt, .npy or .safetensors files there"
    case .badLength(let length, let limit):
      "a sequence length of \(length) is not possible: this model takes from 1 to \(limit) tokens"
    case .needsTokenizer(let file):
      """
      \(file.debugDescription) holds text, and there is no tokenizer; name its folder with --tokenizer, or give \
      token ids
      """
    case .notUTF8(let file, let line):
      "\(file.debugDescription), line \(line), is not UTF-8; convert the file, with iconv for example"
    case .nulByte(let file, let line):
      "\(file.debugDescription), line \(line), has a NUL byte; is this a text file?"
    case .longLine(let file, let line, let limit):
      "\(file.debugDescription), line \(line), is longer than \(limit >> 20) MiB; cut the document into several"
    case .json(let file, let line, let reason):
      """
      \(file.debugDescription), line \(line): \(reason); each line must be one JSON object, {\"text\": …} or \
      {\"token_ids\": […]}
      """
    case .noDocument(let file, let line, let found):
      """
      \(file.debugDescription), line \(line), \(found); each line must have \"text\", a string, or \"token_ids\", \
      a list of integers, or for martinet train sft \"messages\"
      """
    case .linesOfJSON(let file):
      """
      \(file.debugDescription) has lines of JSON, and would be learnt as plain text by its name; have that end in \
      .jsonl
      """
    case .conversation(let file, let line):
      "\(file.debugDescription), line \(line), has messages; conversations are learnt by martinet train sft"
    case .badConversation(let file, let line, let reason):
      """
      \(file.debugDescription), line \(line), is no conversation to learn from: \(reason); give {\"messages\": \
      [{\"role\": \"user\", \"content\": …}, {\"role\": \"assistant\", \"content\": …}]}
      """
    case .tokenizing(let file, let line, let reason):
      "\(file.debugDescription), the document from line \(line) on, cannot be tokenized: \(reason)"
    case .tokenOutsideVocabulary(let file, let place, let token, let vocabulary):
      """
      \(file.debugDescription), \(place), has the token \(token), and the model's vocabulary ends at \
      \(vocabulary - 1); use the tokenizer that belongs to the model, or the vocabulary of the data
      """
    case .noTokens(let file): "\(file.debugDescription) has no tokens in it; give a file with text or token ids"
    case .tooShort(let what, let tokens, let needed):
      """
      \(what) has \(tokens) tokens, and a single sequence takes \(needed); give more data, or shorter sequences \
      with --sequence-length
      """
    case .notAnArray(let file, let reason):
      "\(file.debugDescription) is not an array that NumPy wrote: \(reason); write it again with numpy.save"
    case .wrongElements(let file, let found):
      """
      \(file.debugDescription) has elements of type \(found.debugDescription); token shards hold int32, uint16, \
      uint32 or int64, little-endian
      """
    case .wrongShape(let file, let found):
      """
      \(file.debugDescription) has the shape \(found); token shards are one row of tokens, or rows of equal \
      length, in C order
      """
    case .wrongSize(let file, let expected, let found):
      """
      \(file.debugDescription) has \(found) bytes where its header calls for \(expected); it is cut short or \
      damaged: copy it again
      """
    case .severalTensors(let file, let count):
      "\(file.debugDescription) has \(count) tensors; a token shard has one, of integers"
    }
  }
}
