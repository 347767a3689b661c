/// What is wrong with a GGUF file.
package enum GGUFProblem: Equatable, Sendable {
  // The container.
  case notGGUF
  case bigEndian
  case version(UInt32)
  case endsInside(String)
  case headerTooLong(limit: Int)
  case tooMany(String, found: UInt64, limit: Int)
  case emptyName(String)
  case nameTooLong(String, byteCount: UInt64, limit: Int)
  case notUTF8(String)
  case repeated(String, name: String)
  case valueType(key: String, type: UInt32)
  case nesting(key: String, limit: Int)
  case notBoolean(key: String, byte: UInt8)
  case alignment(Int)

  // A tensor's entry.
  case dimensionCount(tensor: String, count: UInt32, limit: Int)
  case dimension(tensor: String, UInt64, limit: Int)
  case unknownType(tensor: String, type: UInt32)
  case unsupportedType(tensor: String, type: String)
  case partialBlock(tensor: String, type: String, columns: Int, block: Int)
  case sizeOverflows(tensor: String)
  case misaligned(tensor: String, offset: UInt64, alignment: Int)
  case pastEnd(tensor: String, end: Int, dataByteCount: Int)
  case overlap(tensor: String, with: String)
  case shape(tensor: String, found: [Int], expected: String)

  // What the metadata say.
  case missing(key: String)
  case wrongType(key: String, found: String, expected: String)
  case outOfRange(key: String, found: String, lower: String, upper: String)
  case differsByLayer(key: String)
  case unsupported(key: String, value: String, remedy: String)
  case architecture(String, known: [String])
  case ropeFactors(tensor: String)

  // The files of one model.
  case missingShard(String)
  case shardNumber(key: String, found: Int, expected: Int)
  case shardTensors(found: Int, declared: Int)
  case otherArchitecture(String, expected: String)
  case severalModels([String])
  case noModel

  // The tokenizer.
  case noTokenizer
  case tokenizerModel(String)
  case unknownSplit(String, known: [String])
  case tokenLists(key: String, found: Int, expected: Int)
  case repeatedToken(String)
}

extension GGUFProblem {
  /// Whether the file has no tokenizer, or one that is not known here.
  var isOfUnknownTokenizer: Bool {
    switch self {
    case .noTokenizer, .tokenizerModel, .unknownSplit: true
    default: false
    }
  }

  var text: String {
    switch self {
    case .notGGUF: "it does not begin with \"GGUF\"; it is another format, or damaged"
    case .bigEndian: "it is a GGUF file of a big-endian machine, which is not read; get the little-endian one"
    case .version(let version): "it is of GGUF version \(version); 2 and 3 are read: convert the model anew"
    case .endsInside(let what): "the file ends inside \(what); the download is incomplete: get it again"
    case .headerTooLong(let limit): "its header has more than the limit of \(limit) bytes; the file is damaged"
    case .tooMany(let what, let found, let limit):
      "it declares \(found) \(what), more than the limit of \(limit); the file is damaged"
    case .emptyName(let what): "\(what) has an empty name; the file is damaged"
    case .nameTooLong(let what, let count, let limit):
      "\(what) has a name of \(count) bytes, more than \(limit); the file is damaged"
    case .notUTF8(let what): "\(what) is not UTF-8; the file is damaged"
    case .repeated(let what, let name): "\(what) \(quoted(name)) is there twice; the file is damaged"
    case .valueType(let key, let type): "\(quoted(key)) has a value of type \(type), which GGUF does not define"
    case .nesting(let key, let limit): "\(quoted(key)) nests arrays deeper than \(limit)"
    case .notBoolean(let key, let byte): "\(quoted(key)) is a boolean with the byte \(byte), neither 0 nor 1"
    case .alignment(let found):
      "\"general.alignment\" is \(found), which is no power of two up to \(GGUFHeader.maximumAlignment)"
    case .dimensionCount(let tensor, let count, let limit):
      "tensor \(quoted(tensor)) has \(count) dimensions; 1 to \(limit) are read"
    case .dimension(let tensor, let dimension, let limit):
      "tensor \(quoted(tensor)) has a dimension of \(dimension), outside 1 ... \(limit)"
    case .unknownType(let tensor, let type):
      "tensor \(quoted(tensor)) is stored in the type of number \(type), which GGML does not define; "
        + "some engines have types of their own: get the file in one of GGML's"
    case .unsupportedType(let tensor, let type):
      "tensor \(quoted(tensor)) is stored as \(type), which is not read; get the model in another quantisation"
    case .partialBlock(let tensor, let type, let columns, let block):
      "tensor \(quoted(tensor)) has rows of \(columns) numbers, no multiple of the \(block) of a \(type) block"
    case .sizeOverflows(let tensor): "tensor \(quoted(tensor)) has a shape whose size overflows"
    case .misaligned(let tensor, let offset, let alignment):
      "tensor \(quoted(tensor)) begins at data byte \(offset), no multiple of the alignment \(alignment)"
    case .pastEnd(let tensor, let end, let count):
      "tensor \(quoted(tensor)) ends at data byte \(end), past the file's \(count) bytes of data; "
        + "the download is incomplete: get it again"
    case .overlap(let tensor, let other):
      "tensor \(quoted(tensor)) begins inside tensor \(quoted(other)); the file is damaged"
    case .shape(let tensor, let found, let expected):
      "tensor \(quoted(tensor)) has the shape \(found) where \(expected) should be"
    default: textOfModel
    }
  }

  private var textOfModel: String {
    switch self {
    case .missing(let key): "it has no \(quoted(key)); convert the model anew"
    case .wrongType(let key, let found, let expected): "\(quoted(key)) is \(found) where \(expected) should be"
    case .outOfRange(let key, let found, let lower, let upper):
      "\(quoted(key)) is \(found), outside \(lower) ... \(upper), the range supported"
    case .differsByLayer(let key): "\(quoted(key)) differs from layer to layer, which is not supported"
    case .unsupported(let key, let value, let remedy):
      "\(quoted(key)) is \(quoted(value)), which is not supported; \(remedy)"
    case .architecture(let name, let known):
      "its architecture \(quoted(name)) is not supported; supported are \(known.joined(separator: ", "))"
    case .ropeFactors(let tensor):
      "tensor \(quoted(tensor)) stretches rotary frequencies otherwise than Llama 3 does; "
        + "use the model's safetensors files"
    case .missingShard(let name): "\(quoted(name)), another part of this model, is not there; download it too"
    case .shardNumber(let key, let found, let expected):
      "\(quoted(key)) is \(found) where the file's name says \(expected); the files do not belong together"
    case .shardTensors(let found, let declared):
      "the model's files hold \(found) tensors, and \"split.tensors.count\" is \(declared); "
        + "the files do not belong together"
    case .otherArchitecture(let found, let expected):
      "its architecture is \(quoted(found)), and the first file's is \(quoted(expected)); "
        + "the files do not belong together"
    case .severalModels(let names):
      "the folder holds several GGUF models (\(names.prefix(6).map(quoted).joined(separator: ", "))); give one of them"
    case .noModel: "the folder holds no GGUF model"
    case .noTokenizer: "it has no \"tokenizer.ggml.tokens\"; put the model's tokenizer.json beside it"
    case .tokenizerModel(let name):
      "its tokenizer is of the kind \(quoted(name)); gpt2 and llama are read: put the model's tokenizer.json beside it"
    case .unknownSplit(let name, let known):
      "\"tokenizer.ggml.pre\" is \(quoted(name)), a way to split text that is not known here; put the model's "
        + "tokenizer.json beside the file (known: \(known.joined(separator: ", ")))"
    case .tokenLists(let key, let found, let expected):
      "\(quoted(key)) has \(found) entries for \(expected) tokens; the file is damaged"
    case .repeatedToken(let token): "the token \(quoted(token)) is there twice; the file is damaged"
    default: ""
    }
  }
}
